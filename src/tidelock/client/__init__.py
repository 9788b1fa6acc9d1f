"""Kafka clients: settings in Java, librdkafka or aiokafka spelling, turned into confluent-kafka clients.

`Producer`, `Consumer` and `Admin` are thin typed layers over librdkafka with bounded waits and the house's
own errors; the library itself is loaded when the first of them is made. Imports protocol (error codes),
config and errors. The design page is docs/design/client.md.
"""

from tidelock.client.admin import Admin
from tidelock.client.consumer import Consumer
from tidelock.client.errors import BrokerUnreachable, ClientFailed, LoginRefused
from tidelock.client.model import Message, Outgoing, OutgoingBatch, TopicPartition
from tidelock.client.producer import Producer
from tidelock.client.settings import ClientSettings

__all__ = [
    "Admin",
    "BrokerUnreachable",
    "ClientFailed",
    "ClientSettings",
    "Consumer",
    "LoginRefused",
    "Message",
    "Outgoing",
    "OutgoingBatch",
    "Producer",
    "TopicPartition",
]
