"""Published product factors: what a product's batches of a period gave, as others receive it."""
