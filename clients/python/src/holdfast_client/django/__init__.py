"""Holdfast for Django: add "holdfast_client.django" to INSTALLED_APPS and derive models from HoldfastModel.

A saved row and its outbox entry are one transaction. A sweep pushes entries after commit and fetches
receipts.
"""
