package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// topics are those that are known to be there, with the most bytes that a batch for
// each may have.
type topics struct {
	otherwise int32

	mu      sync.Mutex
	limits  map[string]int32
	lowered map[string]bool // topics of which the log tells that batches were too large
}

// limit returns the most bytes that are sent to a topic at once.
func (t *topics) limit(topic string) int32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if limit := t.limits[topic]; limit > 0 {
		return limit
	}
	return t.otherwise
}

func (t *topics) known(topic string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.limits[topic] > 0
}

func (t *topics) note(topic string, limit int32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.limits[topic] = limit
}

// lower halves what was too large for a topic, and reports whether that is so for the
// first time.
func (t *topics) lower(topic string, bytes int) (first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.limits[topic] > 0 {
		t.limits[topic] = max(smallestBatch, min(t.limits[topic], int32(min(bytes, largest)/2)))
	}
	first = !t.lowered[topic]
	t.lowered[topic] = true
	return first
}

// tooLarge notes that a topic did not take records of so many bytes at once.
func (s *Sink) tooLarge(topic string, bytes int) {
	if s.topics.lower(topic, bytes) {
		s.o.Log.Info("The topic takes smaller batches than expected: they are halved, which costs time; allow DescribeConfigs on the topic, or lower max-message", "topic", topic, "bytes", bytes)
	}
}

// forget has all topics looked for again.
func (t *topics) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.limits)
}

// forgetOne has a topic looked for again, unless the error is about one record.
func (t *topics) forgetOne(topic string, err error) {
	if isTooLarge(err) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.limits, topic)
}

// ready looks for the topics of the records that are not known yet, and makes them if
// that is asked for. It returns why some cannot be used, or one error about them all.
func (s *Sink) ready(ctx context.Context) (unusable map[string]error, err error) {
	var unknown []string
	seen := map[string]bool{}
	last := ""
	for i := range s.records.all {
		topic := s.records.all[i].Topic
		if topic == last || seen[topic] {
			continue
		}
		last, seen[topic] = topic, true
		if !s.topics.known(topic) {
			unknown = append(unknown, topic)
		}
	}
	if len(unknown) == 0 {
		return nil, nil
	}
	unusable, err = s.look(ctx, unknown)
	if err != nil {
		return nil, s.explain("", err)
	}
	var missing []string
	for topic, err := range unusable {
		if s.o.Create != nil && errors.Is(err, kerr.UnknownTopicOrPartition) {
			missing = append(missing, topic)
		} else {
			unusable[topic] = s.explain(topic, err)
		}
	}
	for _, topic := range missing {
		delete(unusable, topic)
		if err := s.create(ctx, topic); err != nil {
			unusable[topic] = s.explain(topic, err)
		}
	}
	limits, unanswered := s.describe(ctx, unknown)
	for _, topic := range unknown {
		if unusable[topic] == nil && !unanswered[topic] {
			s.topics.note(topic, s.batchLimit(limits[topic]))
		}
	}
	return unusable, nil
}

// look asks whether topics are there. It returns the errors by topic.
func (s *Sink) look(ctx context.Context, names []string) (map[string]error, error) {
	answer, err := s.metadata(ctx, names)
	if err != nil {
		return nil, err
	}
	unusable := map[string]error{}
	for _, name := range names {
		unusable[name] = kerr.UnknownTopicOrPartition
	}
	for _, t := range answer.Topics {
		if t.Topic == nil {
			continue
		}
		if err := kerr.ErrorForCode(t.ErrorCode); err == nil || kerr.IsRetriable(err) && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			delete(unusable, *t.Topic) // one that has no leader for the moment is there
		} else {
			unusable[*t.Topic] = err
		}
	}
	return unusable, nil
}

// metadata asks for what brokers know of topics; of all that this user may see if names is nil.
func (s *Sink) metadata(ctx context.Context, names []string) (*kmsg.MetadataResponse, error) {
	ask := kmsg.NewPtrMetadataRequest()
	ask.AllowAutoTopicCreation = false
	ask.IncludeTopicAuthorizedOperations = true
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		ask.Topics = append(ask.Topics, t)
	}
	return ask.RequestWith(ctx, s.producer)
}

// create makes a topic.
func (s *Sink) create(ctx context.Context, name string) error {
	ask := kmsg.NewPtrCreateTopicsRequest()
	ask.TimeoutMillis = int32(s.o.Timeout.Milliseconds())
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = name, s.o.Create.Partitions, s.o.Create.Replicas
	if t.NumPartitions <= 0 {
		t.NumPartitions = -1
	}
	if t.ReplicationFactor <= 0 {
		t.ReplicationFactor = -1
	}
	for name, value := range s.o.Create.configs() {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, kmsg.StringPtr(value)
		t.Configs = append(t.Configs, c)
	}
	ask.Topics = append(ask.Topics, t)
	answer, err := ask.RequestWith(ctx, s.producer)
	if err != nil {
		return fmt.Errorf("create the topic: %w", err)
	}
	for _, t := range answer.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			if t.ErrorMessage != nil {
				err = fmt.Errorf("%w: %s", err, *t.ErrorMessage)
			}
			return fmt.Errorf("create the topic: %w", err)
		}
	}
	return nil
}

// describe returns the settings of topics that matter here. Those that it may not read
// are missing; those that no broker told for now are unanswered, and are asked for again
// with the next write.
func (s *Sink) describe(ctx context.Context, names []string) (all map[string]settings, unanswered map[string]bool) {
	ask := kmsg.NewPtrDescribeConfigsRequest()
	for _, name := range names {
		r := kmsg.NewDescribeConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeTopic, name
		r.ConfigNames = []string{"max.message.bytes", "cleanup.policy", "min.insync.replicas"}
		ask.Resources = append(ask.Resources, r)
	}
	all, unanswered = map[string]settings{}, map[string]bool{}
	answer, err := ask.RequestWith(ctx, s.producer)
	if err != nil {
		for _, name := range names {
			unanswered[name] = ctx.Err() != nil || kerr.IsRetriable(err) || kgo.IsRetryableBrokerErr(err)
		}
		return all, unanswered
	}
	for _, r := range answer.Resources {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			unanswered[r.ResourceName] = kerr.IsRetriable(err)
			continue
		}
		var t settings
		for _, c := range r.Configs {
			switch {
			case c.Value == nil:
			case c.Name == "max.message.bytes":
				if n, err := strconv.ParseInt(*c.Value, 10, 32); err == nil {
					t.maxMessage = int32(n)
				}
			case c.Name == "min.insync.replicas":
				t.minInSync, _ = strconv.Atoi(*c.Value) // 0 if it is not known
			case c.Name == "cleanup.policy":
				t.compacted = strings.Contains(*c.Value, "compact")
			}
		}
		all[r.ResourceName] = t
	}
	return all, unanswered
}

// settings are those of a topic. A number is 0 if it is not known.
type settings struct {
	maxMessage int32
	minInSync  int
	compacted  bool
}

// batchLimit returns the most bytes that a batch may have for a topic. The producer
// counts some bytes less than the broker.
func (s *Sink) batchLimit(t settings) int32 {
	const around = 76
	if t.maxMessage <= 0 {
		return s.o.MaxMessage
	}
	return min(max(t.maxMessage-around, smallestBatch), largest)
}
