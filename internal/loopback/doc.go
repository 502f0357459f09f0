// Package loopback reserves ports of this machine for test servers, so that one that is
// stopped finds its port again.
//
// Ports may be reserved from any goroutine; one Port is used by one at a time.
package loopback
