package app

import (
	"cmp"
	"net"
	"strings"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// The identity of a process in the lock's record is HOST_UUID, or HOST_UUID_ADDRESS if
// it is told where it can be reached. A lock has no other field for that which each of
// its kinds keeps. Processes of earlier versions compare it as a whole.

// processIdentity returns the identity of a process.
func processIdentity(host, id, address string) string {
	if address == "" {
		return host + "_" + id
	}
	return host + "_" + id + "_" + address
}

// advertised returns the address that --advertise-address names, HOST or HOST:PORT. The
// port is that of the health server if there is none. Where that serves nothing, there
// is nothing to reach, and the address is empty.
func advertised(text, health string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
		if _, port, err = net.SplitHostPort(health); err != nil || port == "0" { // chosen at the start, or none
			port = ""
		}
	}
	if err := api.CheckAddress(host, cmp.Or(port, "1")); err != nil {
		return "", err
	}
	if port == "" {
		return "", nil
	}
	return net.JoinHostPort(host, port), nil
}
