package nats

import (
	"context"
	"net"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-dev/fairlead/pipeline"
)

var Rounds = rounds

func SubjectOf(k pipeline.Key) string { return string(appendSubject(nil, k)) }

// SetDial sets what makes sockets.
func (c *connector) SetDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	c.dial = dial
}

// Disconnect closes the connection, so that the next write makes one.
func (c *connector) Disconnect() {
	if now := <-c.turn; now != nil {
		now.close()
	}
	c.turn <- nil
}

func AnswerOf(m *nats.Msg) (sequence uint64, err error) {
	a := answerOf(m)
	return a.sequence, a.err
}

// Publisher is a publisher on a connection of the test's.
type Publisher struct{ p publisher }

func NewPublisher(conn *nats.Conn) *Publisher {
	m, err := newMetrics(nil)
	if err != nil {
		panic(err) // without a registerer there is none
	}
	return &Publisher{publisher{conn: conn, metrics: m}}
}

func (p *Publisher) Begin() error { return p.p.begin() }

func (p *Publisher) Publish(m *nats.Msg) { p.p.publish(m) }

func (p *Publisher) Wait(ctx context.Context) error {
	return p.p.wait(ctx, &connection{broken: make(chan struct{})})
}

func (p *Publisher) Answer(i int, otherwise error) (uint64, error) { return p.p.answer(i, otherwise) }
