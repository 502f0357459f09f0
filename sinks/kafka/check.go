package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/fairlead-dev/fairlead/sinks"
)

// Check asks a broker whether it answers, and whether the topic is there and this user may
// write to it. Of a template, whose topics are not known before there are changes, it looks for
// one that the user may see and write to; that there is none yet is a [sinks.Caution]. It
// changes nothing.
func (s *Sink) Check(ctx context.Context) error {
	if err := s.producer.Ping(ctx); err != nil {
		return s.explain("", err)
	}
	if !s.encoder.template.isFixed() {
		return s.checkTemplate(ctx)
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

// checkTemplate looks for a topic that the template may name. Which of them are missing is told
// when they are written to: topics may be made as clusters join, and before that there is
// nothing to write.
func (s *Sink) checkTemplate(ctx context.Context) error {
	if s.o.Create != nil {
		return nil // it will be made
	}
	all, err := s.metadata(ctx, nil)
	switch {
	case err != nil && strings.Contains(err.Error(), "exceeds BrokerMaxReadBytes"):
		return nil // there are so many topics that nothing can be told
	case err != nil:
		return s.explain("", err)
	}
	found, mayName := "", s.encoder.template.matcher()
	for _, t := range all.Topics {
		if t.Topic == nil || t.IsInternal || !mayName(*t.Topic) {
			continue
		}
		if found = *t.Topic; mayWrite(t) {
			return nil
		}
	}
	if found != "" {
		return s.explain(found, kerr.TopicAuthorizationFailed)
	}
	return sinks.Caution(s.secrets.Error(fmt.Errorf("no topic that this user may see is one of %q; before there is anything to write, create those of your clusters and resources and allow Write and Describe on them, or give create-topic=true", s.o.Topic)))
}

// mayWrite reports whether this user may write to a topic, as far as the broker tells.
func mayWrite(t kmsg.MetadataResponseTopic) bool {
	const (
		write   = 1 << 4 // of AclOperation
		unknown = -1 << 31
	)
	return t.AuthorizedOperations == unknown || t.AuthorizedOperations&write != 0
}

// checkRights asks for the operations that this user may carry out on the topic.
func (s *Sink) checkRights(ctx context.Context, topic string) error {
	answer, err := s.metadata(ctx, []string{topic})
	if err != nil {
		return s.explain("", err)
	}
	replicas := 0
	for _, t := range answer.Topics {
		if !mayWrite(t) {
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
