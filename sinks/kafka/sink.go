package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

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
	// producer sends batches, and alone what is too large for one.
	producer, alone *kgo.Client
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
		topics:    topics{otherwise: o.MaxMessage, limits: map[string]int32{}},
	}
	if s.producer, err = s.client(s.topics.limit); err != nil {
		return nil, fmt.Errorf("sink of Kafka: %w", err)
	}
	if s.alone, err = s.client(func(string) int32 { return largest }); err != nil {
		s.producer.Close()
		return nil, fmt.Errorf("sink of Kafka: %w", err)
	}
	return s, nil
}

// Close ends all connections. What is under way fails.
func (s *Sink) Close() error {
	s.producer.Close()
	s.alone.Close()
	return nil
}

// Write sends the records of a batch in its order, and waits for what becomes of each.
func (s *Sink) Write(ctx context.Context, batch []*pipeline.Change) error {
	if err := ctx.Err(); err != nil || len(batch) == 0 {
		return err
	}
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
	o := outcome{sink: s, unusable: unusable}
	all := make([]*kgo.Record, 0, len(s.records.all))
	for i := range s.records.all {
		if r := &s.records.all[i]; unusable[r.Topic] == nil {
			all = append(all, r)
		}
	}
	o.errs = s.produce(ctx, s.producer, all...)
	o.resend(ctx)
	return o.byChange(), nil
}

// produce sends records and waits for all of them. It returns the errors of those that
// were not accepted. When ctx ends, all end at once, whatever the brokers do.
func (s *Sink) produce(ctx context.Context, with *kgo.Client, all ...*kgo.Record) map[*kgo.Record]error {
	if len(all) == 0 {
		return nil
	}
	aborted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(aborted)
		with.UnsafeAbortBufferedRecords()
	})
	results := with.ProduceSync(ctx, all...)
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
