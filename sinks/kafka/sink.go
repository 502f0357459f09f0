package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fairlead-dev/fairlead/internal/inflight"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// Sink writes changes to topics. Write is called by one goroutine at a time, and Close
// after the last one.
type Sink struct {
	*connector
	encoder encoder
	records records
	topics  topics
	// producer sends everything: the brokers keep the order of records of one producer
	// only. What it abandons is refused by a partition once that has a later record of it.
	producer *kgo.Client
	calls    inflight.Calls // of Write
	// proven: the last batch got through. Else a broker is asked first whether it
	// answers, because records do not say why they wait.
	proven bool
}

// New returns a sink. It connects to nothing. The error tells every mistake.
func New(o Options) (*Sink, error) {
	o, err := o.withDefaults()
	t, topicErr := parseTemplate(o.Topic)
	if err := errors.Join(err, topicErr); err != nil {
		return nil, fmt.Errorf("sink of Kafka: %w", err)
	}
	s := &Sink{
		connector: &connector{o: o, secrets: redact.New(), configs: map[string]*tls.Config{}},
		encoder:   encoder{template: t, binary: o.Binding == Binary, tombstones: o.Tombstones, topics: map[[2]string]string{}},
		topics:    topics{otherwise: o.MaxMessage, limits: map[string]int32{}, lowered: map[string]bool{}},
	}
	m := newMetrics()
	if s.producer, err = s.client(m); err != nil {
		return nil, fmt.Errorf("sink of Kafka: %w", err)
	}
	if err := m.register(o.Registerer); err != nil {
		s.producer.Close()
		return nil, err
	}
	return s, nil
}

// Close ends a write that is under way, and all connections. A later Write fails.
func (s *Sink) Close() error {
	s.calls.Close()
	s.producer.Close()
	return nil
}

// Write sends the records of a batch in its order, and waits for what becomes of each.
func (s *Sink) Write(ctx context.Context, batch []*pipeline.Change) error {
	if err := ctx.Err(); err != nil || len(batch) == 0 {
		return err
	}
	ctx, done, err := s.calls.Begin(ctx)
	if err != nil {
		return fmt.Errorf("write to Kafka: %w", err)
	}
	defer done()
	limited, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	s.encoder.encode(&s.records, batch)
	failed, err := s.send(limited)
	if err == nil && len(failed) == 0 {
		s.proven = true
		return nil
	}
	// What was abandoned may still be read by who sent it.
	s.records = records{}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil && len(failed) == len(batch) {
		err = common(failed)
	}
	if err != nil {
		s.proven = false
		s.topics.forget()
		return err
	}
	return &pipeline.BatchError{Failed: failed}
}

// common returns one of the errors if none is about its change alone; else nil.
func common(failed map[int]error) error {
	first := failed[0]
	for _, err := range failed {
		if pipeline.IsPermanent(err) {
			return nil
		}
	}
	return first
}

// send sends the records. It returns the errors by change, or one that is about them
// all.
func (s *Sink) send(ctx context.Context) (map[int]error, error) {
	if !s.proven {
		if err := s.producer.Ping(ctx); err != nil {
			return nil, s.explain("", err)
		}
	}
	unusable, err := s.ready(ctx)
	if err != nil {
		return nil, err
	}
	o := outcome{sink: s, unusable: unusable, errs: map[int]error{}, failed: map[string]error{}}
	all := make([]int, 0, len(s.records.all))
	for i := range s.records.all {
		if unusable[s.records.all[i].Topic] == nil {
			all = append(all, i)
		}
	}
	for len(all) > 0 {
		n := s.fitting(all)
		limited, cancel := share(ctx, n == len(all))
		o.send(limited, all[:n], false)
		cancel()
		all = all[n:]
	}
	return o.byChange(), nil
}

// share returns a context with half of the time that is left, or all of it for the last
// part of a batch: a partition that hangs must not take the time of the others' records.
func share(ctx context.Context, last bool) (context.Context, context.CancelFunc) {
	end, limited := ctx.Deadline()
	if last || !limited {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)/2)
}

// fitting returns how many of the records can be sent at once: one, or as many as make no
// batch that is too large, whatever their partitions are.
func (s *Sink) fitting(some []int) int {
	bytes := map[string]int{}
	for n, i := range some {
		r := &s.records.all[i]
		if bytes[r.Topic] += sizeOf(r); n > 0 && bytes[r.Topic] > int(s.topics.limit(r.Topic)) {
			return n
		}
	}
	return len(some)
}

// sizeOf returns about how many bytes a record has in a batch, and not less.
func sizeOf(r *kgo.Record) int {
	const numbers = 32 // lengths, and differences of time and offset
	n := numbers + len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		n += 10 + len(h.Key) + len(h.Value)
	}
	return n
}

// produce sends records and waits for all of them. It returns the errors of those that
// were not accepted. When ctx ends, all end at once, whatever the brokers do.
func (s *Sink) produce(ctx context.Context, all []*kgo.Record) map[*kgo.Record]error {
	aborted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(aborted)
		s.producer.UnsafeAbortBufferedRecords()
	})
	results := s.producer.ProduceSync(ctx, all...)
	if !stop() {
		<-aborted // It must not hit the next ones.
	}
	var errs map[*kgo.Record]error
	for _, r := range results {
		if r.Err != nil {
			if errs == nil {
				errs = map[*kgo.Record]error{}
			}
			errs[r.Record] = r.Err
		}
	}
	return errs
}
