"""The pipeline that builds LD-Portrait-20K: prompts to shards, card and Hub."""
