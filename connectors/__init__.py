"""Remote systems, one folder each, all behind connectors/base.py."""
