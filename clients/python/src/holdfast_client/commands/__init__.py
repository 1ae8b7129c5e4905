"""The commands of python -m holdfast_client."""
