"""Who is installed, by name. Ground floor: standard library, pluggy and importlib-metadata only.

In the order data flows through it:

- what packages declare: ``metadata`` ``staleness`` ``modules`` ``versions`` ``names`` ``kinds`` → ``health`` → ``index``
- names to classes and back: ``preferences`` ``first_party`` → ``resolution`` → ``registry`` ``registries`` → ``configuration``
- what plugins may take part in: ``hooks`` ``hook_problems`` → ``manager`` ``installed_hooks``
- saved models of yesterday: ``provenance`` ``migration``
- what people ask: ``summaries`` ``details``; ``probe`` ``probe_child`` → ``checking``
- ``torch_backends``: torch stays importable beside a package whose metadata cannot be read
"""
