package api

import (
	"fmt"
	"net/netip"
	"strconv"

	"k8s.io/apimachinery/pkg/util/validation"
)

// MostAddress is the longest address in bytes. An identity then is as long as what is
// shown of one.
const MostAddress = 128

// CheckAddress reports what is wrong with an address that others are told.
func CheckAddress(host, port string) error {
	if len(host)+len(port) > MostAddress {
		return fmt.Errorf("it is longer than %d bytes", MostAddress)
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.IsUnspecified() || ip.Zone() != "" {
			return fmt.Errorf("nobody else reaches %s", ip)
		}
	} else if wrong := validation.IsDNS1123Subdomain(host); len(wrong) > 0 {
		return fmt.Errorf("%q is neither an IP address nor the name of a host", host)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return fmt.Errorf("%q is no port", port)
	}
	return nil
}
