"""What a broker's settings must be before anybody connects."""

import pytest

from wire.errors import ConfigError
from wire.mqtt import Broker, Client


def test_a_certificate_file_that_holds_none_is_named(tmp_path):
    file = tmp_path / "ca.pem"
    file.write_text("not a certificate\n")
    with pytest.raises(ConfigError, match=r"ca\.pem: no certificate in PEM form"):
        Client(Broker(ca_file=file), "test")
