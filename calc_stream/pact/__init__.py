"""Product footprints between companies, as PACT v3 has it: the document, its judge, its exchange.

`model.py` is the document, `validator.py` judges one of anybody, `mapping.py` makes ours. The server's
door stands in `calc_stream/web`; `client.py` asks the servers of others.
"""
