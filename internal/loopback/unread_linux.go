package loopback

import (
	"bytes"
	"net"
	"os"
	"strconv"
)

// Unread reports whether something has arrived at an address of this machine that its
// server has not read: it hangs, or is about to read it. The address is HOST:PORT, of
// which the port counts.
func Unread(address string) bool {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return false
	}
	for _, path := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // without IPv6 there is no such file
		}
		if unreadIn(text, number) {
			return true
		}
	}
	return false
}

// established is the state of a connection, in the kernel's table.
const established = "01"

// unreadIn looks for a connection of that local port with bytes that are not read, in the
// kernel's table: https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html
func unreadIn(table []byte, port uint64) bool {
	for line := range bytes.Lines(table) {
		fields := bytes.Fields(line)
		if len(fields) < 5 || string(fields[3]) != established {
			continue
		}
		_, local, _ := bytes.Cut(fields[1], []byte(":"))
		_, unread, _ := bytes.Cut(fields[4], []byte(":"))
		at, err := strconv.ParseUint(string(local), 16, 16)
		if err != nil || at != port {
			continue
		}
		if n, err := strconv.ParseUint(string(unread), 16, 64); err == nil && n > 0 {
			return true
		}
	}
	return false
}
