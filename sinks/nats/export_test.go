package nats

import (
	"context"
	"net"

	"github.com/fairlead-dev/fairlead/pipeline"
)

var Rounds = rounds

func SubjectOf(k pipeline.Key) string { return string(appendSubject(nil, k)) }

// SetDial sets what makes sockets.
func (c *connector) SetDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	c.dial = dial
}
