package nats_test

import (
	"context"
	"errors"
	"testing"
	"time"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/sinks/nats"
)

func TestAnswers(t *testing.T) {
	for text, want := range map[string]struct {
		sequence uint64
		err      error
	}{
		`{"stream":"s","seq":7}`:                    {7, nil},
		`{"stream":"s","seq":7,"duplicate":true}`:   {7, nil},
		`{"stream":"s","domain":"d","seq":7}`:       {7, nil},
		` {"seq":7, "stream":"s"}`:                  {7, nil},
		`{"stream":"","seq":7}`:                     {0, jetstream.ErrInvalidJSAck},
		`{"stream":"s","seq":`:                      {0, jetstream.ErrInvalidJSAck},
		`{"stream":"s","seq":12`:                    {0, jetstream.ErrInvalidJSAck},
		`{"stream":"s","seq":-1}`:                   {0, jetstream.ErrInvalidJSAck},
		`{"stream":"s","seq":99999999999999999999}`: {0, jetstream.ErrInvalidJSAck},
		`{}`: {0, jetstream.ErrInvalidJSAck},
		``:   {0, jetstream.ErrInvalidJSAck},
		`{"stream":"s","error":{"err_code":10060},"x":"","seq":5}`: {0, &jetstream.APIError{ErrorCode: 10060}},
	} {
		if n, err := nats.AnswerOf(&client.Msg{Data: []byte(text)}); n != want.sequence || !errors.Is(err, want.err) {
			t.Errorf("%s: %d, %v; want %d, %v", text, n, err, want.sequence, want.err)
		}
	}
	nobody := &client.Msg{Header: client.Header{"Status": {"503"}}}
	if _, err := nats.AnswerOf(nobody); !errors.Is(err, jetstream.ErrNoStreamResponse) {
		t.Errorf("nobody listens: %v", err)
	}
}

// An answer counts for its message only, once, and not for one of the next round.
func TestAnswersThatAreLate(t *testing.T) {
	p := start(t, nil)
	conn, err := client.Connect(p.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	asked, err := conn.SubscribeSync("work")
	if err != nil {
		t.Fatal(err)
	}
	reply := func(m *client.Msg, text string) {
		t.Helper()
		if err := m.Respond([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	next := func() *client.Msg {
		t.Helper()
		m, err := asked.NextMsg(time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	away := errors.New("away")
	check := func(pub *nats.Publisher, i int, want uint64, wantErr error) {
		t.Helper()
		if n, err := pub.Answer(i, away); n != want || !errors.Is(err, wantErr) {
			t.Errorf("message %d: %d, %v; want %d, %v", i, n, err, want, wantErr)
		}
	}
	work := &client.Msg{Subject: "work", Data: []byte("x")}
	pub := nats.NewPublisher(conn)
	if err := pub.Begin(); err != nil {
		t.Fatal(err)
	}
	pub.Publish(work)
	pub.Publish(work)
	first, second := next(), next()
	reply(first, `{"stream":"s","seq":1}`)
	ctx, cancel := context.WithCancel(t.Context())
	testserver.Poll(t, "the first answer is there", func() bool { _, err := pub.Answer(0, away); return err == nil })
	cancel()
	if err := pub.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait, cancelled: %v", err)
	}
	check(pub, 0, 1, nil)
	check(pub, 1, 0, away)

	if err := pub.Begin(); err != nil {
		t.Fatal(err)
	}
	check(pub, 0, 0, away) // before anything is sent
	pub.Publish(work)
	pub.Publish(work)
	pub.Publish(&client.Msg{Subject: "two words"})
	third, fourth := next(), next()
	reply(second, `{"stream":"s","seq":2}`)
	reply(third, `{"stream":"s","seq":3}`)
	reply(third, `{"stream":"s","seq":33}`)
	reply(fourth, `{"stream":"s","seq":4}`)
	if err := pub.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	check(pub, 0, 3, nil)
	check(pub, 1, 4, nil)
	check(pub, 2, 0, client.ErrBadSubject)
}
