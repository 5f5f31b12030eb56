"""The world as containers ("composed"): stand-ins for AWS beside the services' own images."""
