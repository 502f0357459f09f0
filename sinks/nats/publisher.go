package nats

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// publisher sends the messages of a round to a stream, and knows what was answered to each.
//
//	begin ── publish ── publish ── ... ── wait ── answer(0), answer(1), ...
//
// It is what the asynchronous publishing of package jetstream is, for a third of its cost:
// a round is an array of answers, and has no channels, timers or map for each message.
// It is for one goroutine at a time.
type publisher struct {
	conn    *nats.Conn
	metrics *metrics
	replies string // what the subjects of answers begin with; empty: nobody listens yet

	mu    sync.Mutex
	first uint64 // number of the first message of the round; numbers are never used again
	round []answer
	left  int           // how many have no answer
	done  chan struct{} // not nil: somebody waits for left to be 0, when it is closed
}

// answer is what became of a message.
type answer struct {
	known    bool
	repeat   bool   // the stream had it already
	sequence uint64 // of the message in the stream
	err      error
}

// begin begins a round. Answers to messages of the one before are not taken any more.
func (p *publisher) begin() error {
	p.mu.Lock()
	p.first += uint64(len(p.round))
	p.round, p.left, p.done = p.round[:0], 0, nil
	p.mu.Unlock()
	if p.replies != "" {
		return nil
	}
	replies := p.conn.NewInbox() + "."
	_, err := p.conn.Subscribe(replies+"*", func(m *nats.Msg) {
		if number, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, replies), 10, 64); err == nil {
			p.note(number, answerOf(m))
		}
	})
	if err != nil {
		return fmt.Errorf("subscribe to answers: %w", err)
	}
	p.replies = replies
	return nil
}

// publish sends a message, whose bytes it copies, as the next one of the round.
func (p *publisher) publish(m *nats.Msg) {
	p.mu.Lock()
	number := p.first + uint64(len(p.round))
	p.round = append(p.round, answer{})
	p.left++
	p.mu.Unlock()
	var err error
	if len(m.Subject) > maxSubject {
		err = fmt.Errorf("subject of %d bytes: %w", len(m.Subject), errSubject)
	} else {
		m.Reply = p.replies + strconv.FormatUint(number, 10)
		err = p.conn.PublishMsg(m)
	}
	if err != nil {
		p.note(number, answer{err: err})
	}
}

// wait waits until all messages of the round are answered, and returns nil then. When ctx
// ends or the connection breaks before, nobody knows what became of some, and the
// connection is of no use any more.
func (p *publisher) wait(ctx context.Context, c *connection) error {
	defer p.count()
	p.mu.Lock()
	done := make(chan struct{})
	if p.done = done; p.left == 0 {
		close(done)
	}
	p.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-c.broken:
		return c.failure()
	case <-ctx.Done():
		c.fail(errors.New("an answer did not come in time"))
		return ctx.Err()
	}
}

// count counts what became of the messages of the round.
func (p *publisher) count() {
	var accepted, repeats, failed int
	p.mu.Lock()
	for i := range p.round {
		switch a := &p.round[i]; {
		case !a.known, a.err != nil:
			failed++
		case a.repeat:
			repeats++
		default:
			accepted++
		}
	}
	p.mu.Unlock()
	p.metrics.count(accepted, repeats, failed)
}

// answer returns what became of a message of the round. otherwise is the error of one that
// has no answer.
func (p *publisher) answer(i int, otherwise error) (sequence uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i < len(p.round) && p.round[i].known {
		return p.round[i].sequence, p.round[i].err
	}
	return 0, otherwise
}

// note notes the answer to a message, if it is one of the round and has none yet. The
// client's goroutine calls it, too.
func (p *publisher) note(number uint64, a answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := number - p.first
	if i >= uint64(len(p.round)) || p.round[i].known {
		return
	}
	a.known = true
	p.round[i] = a
	if p.left--; p.left == 0 && p.done != nil {
		close(p.done)
	}
}

// answerOf reads an answer. That which servers give to a message that they accept is read
// without a parser: {"stream":"NAME","seq":1}
func answerOf(m *nats.Msg) answer {
	if rest, ok := bytes.CutPrefix(m.Data, []byte(`{"stream":"`)); ok {
		name, rest, _ := bytes.Cut(rest, []byte(`"`))
		if n, ok := bytes.CutPrefix(rest, []byte(`,"seq":`)); ok && len(name) > 0 {
			digits, closed := bytes.CutSuffix(n, []byte("}"))
			if n, err := strconv.ParseUint(string(digits), 10, 64); err == nil && closed {
				return answer{sequence: n}
			}
		}
	}
	const noResponders = "503"
	if len(m.Data) == 0 && m.Header.Get("Status") == noResponders {
		return answer{err: jetstream.ErrNoStreamResponse}
	}
	var said struct {
		Error    *jetstream.APIError `json:"error"`
		Stream   string              `json:"stream"`
		Sequence uint64              `json:"seq"`
		Repeat   bool                `json:"duplicate"`
	}
	switch err := json.Unmarshal(m.Data, &said); {
	case err != nil, said.Error == nil && said.Stream == "":
		return answer{err: jetstream.ErrInvalidJSAck}
	case said.Error != nil:
		return answer{err: said.Error}
	}
	return answer{sequence: said.Sequence, repeat: said.Repeat}
}
