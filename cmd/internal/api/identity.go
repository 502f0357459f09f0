package api

import (
	"net"
	"regexp"

	"k8s.io/apimachinery/pkg/util/validation"
)

// instance matches the identity of a process in the record of a lock: HOST_UUID, or
// HOST_UUID_ADDRESS.
var instance = regexp.MustCompile(`^(.*)_[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:_(.*))?$`)

// ParseIdentity returns what an identity says, which somebody else may have written:
// the host, which is the name of a Pod, and the address. What it does not say is empty.
func ParseIdentity(identity string) (host, address string) {
	m := instance.FindStringSubmatch(identity)
	if m == nil {
		return "", ""
	}
	if len(validation.IsDNS1123Subdomain(m[1])) == 0 {
		host = m[1]
	}
	if h, port, err := net.SplitHostPort(m[2]); err == nil && CheckAddress(h, port) == nil {
		address = m[2]
	}
	return host, address
}
