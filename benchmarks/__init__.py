"""Ratios measured side by side in one run: the product against its limit, against stock libraries, against itself.

`make bench`, or `python -m benchmarks NAME...`. The yardsticks are small honest programs; nothing of this is in the
product.
"""
