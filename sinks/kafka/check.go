package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Check asks a broker whether it answers, and for a topic that is the same for all
// changes, whether it is there and this user may write to it. It changes nothing.
func (s *Sink) Check(ctx context.Context) error {
	if err := s.producer.Ping(ctx); err != nil {
		return s.explain("", err)
	}
	if !s.encoder.template.isFixed() {
		return nil // which topics there will be is not known yet
	}
	topic := s.encoder.template.topic(noKey)
	unusable, err := s.look(ctx, []string{topic})
	switch {
	case err != nil:
		return s.explain("", err)
	case errors.Is(unusable[topic], kerr.UnknownTopicOrPartition) && s.o.Create != nil:
		return nil // it will be made
	case unusable[topic] != nil:
		return s.explain(topic, unusable[topic])
	}
	return s.checkRights(ctx, topic)
}

// checkRights asks for the operations that this user may carry out on the topic.
func (s *Sink) checkRights(ctx context.Context, topic string) error {
	const (
		write   = 1 << 4 // of AclOperation
		unknown = -1 << 31
	)
	answer, err := s.metadata(ctx, []string{topic})
	if err != nil {
		return s.explain("", err)
	}
	for _, t := range answer.Topics {
		if rights := t.AuthorizedOperations; rights != unknown && rights&write == 0 {
			return s.explain(topic, kerr.TopicAuthorizationFailed)
		}
	}
	if s.o.Tombstones == None {
		if t, known := s.describe(ctx, []string{topic})[topic]; known && t.compacted {
			return fmt.Errorf("topic %q is compacted and tombstones=none: it never forgets what is deleted; leave tombstones out", topic)
		}
	}
	return nil
}
