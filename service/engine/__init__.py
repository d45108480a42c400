"""One image's way through the server: decode → preprocess → batcher → session → postprocess, glued by pipeline."""
