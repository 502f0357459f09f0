package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/fairlead-dev/fairlead/sinks"
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
	replicas := 0
	for _, t := range answer.Topics {
		if rights := t.AuthorizedOperations; rights != unknown && rights&write == 0 {
			return s.explain(topic, kerr.TopicAuthorizationFailed)
		}
		for _, p := range t.Partitions {
			replicas = max(replicas, len(p.Replicas))
		}
	}
	all, _ := s.describe(ctx, []string{topic}) // Who may not see the settings may still write.
	return sinks.Caution(s.warnings(topic, all[topic], replicas))
}

// warnings returns an error for a topic that can be written, but should not be trusted.
func (s *Sink) warnings(topic string, t settings, replicas int) error {
	switch {
	case t.compacted && s.o.Tombstones == None:
		return fmt.Errorf("topic %q is compacted and tombstones=none: it never forgets what is deleted; leave tombstones out", topic)
	case replicas > 1 && t.minInSync == 1:
		return fmt.Errorf("topic %q has %d replicas and min.insync.replicas=1: what a leader alone has acknowledged is lost with it; set min.insync.replicas to 2", topic, replicas)
	}
	return nil
}
