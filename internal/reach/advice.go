package reach

import (
	"crypto/tls"
	"errors"
	"net"
	"syscall"
)

// Advice returns what to do about an error of a connection, without a full stop; "" if there
// is nothing to say. Of several errors that are joined it is about the first it knows.
func Advice(err error) string {
	if _, bad := errors.AsType[*tls.CertificateVerificationError](err); bad {
		return "renew the server's certificate, or check ca and server-name"
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "nothing listens there: check host and port, and whether the server runs"
	}
	if name, unknown := errors.AsType[*net.DNSError](err); unknown && name.IsNotFound {
		return "no such host is known: check the name"
	}
	return ""
}
