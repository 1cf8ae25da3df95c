"""The homes: the actors that own the kernel's locks and the state under them.

Imported by name from their modules; :data:`~actors.homes.boot.HOME_CLASSES` lists them by the kind in their names.
"""
