package lab

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"
)

// WaitUntil calls done every now and then until it returns nil. When ctx ends
// before, the error says why it did, and what done said last.
func WaitUntil(ctx context.Context, every time.Duration, done func() error) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var last error
	for {
		err := done()
		if err == nil {
			return nil
		}
		// That done was interrupted by the end of ctx says nothing new.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), last)
		}
	}
}

// FreeAddresses returns n different addresses of the loopback on which nobody
// listens. They are not from the range that the kernel gives to outgoing
// connections, so that none of those takes one while Fairlead is not up.
func FreeAddresses(n int) ([]string, error) {
	var addresses []string
	var held []net.Listener // until all are found, so that they differ
	defer func() {
		for _, listener := range held {
			_ = listener.Close() // Nothing was accepted.
		}
	}()
	for range 100 {
		if len(addresses) == n {
			return addresses, nil
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(20000+rand.IntN(10000)))
		var config net.ListenConfig
		listener, err := config.Listen(context.Background(), "tcp", address)
		if err != nil {
			continue // Taken.
		}
		held = append(held, listener)
		addresses = append(addresses, address)
	}
	return nil, errors.New("find free ports of 127.0.0.1 between 20000 and 30000: none in 100 attempts")
}
