package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fairlead-dev/fairlead/internal/reach"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// What an error means, and what to do about it. Only a record that is too large is
// refused for good, and that only after it has been sent alone. Whatever else a broker
// says can be mended by its operators, and must not cost a change: it is tried again
// for ever. Sources: the table of error codes in Kafka's protocol guide, and
// kafka.apache.org/documentation for the settings that are named.
var advice = []struct {
	is   error
	says string
}{
	{kerr.MessageTooLarge, "the record is too large for the topic, also compressed; raise max.message.bytes of the topic and replica.fetch.max.bytes of the brokers, or select fewer fields"},
	{kerr.UnknownTopicOrPartition, "the topic does not exist, or this user may not see it; create it, or give create-topic=true"},
	{kerr.InvalidTopicException, "no topic can have this name; choose another one"},
	{kerr.TopicAuthorizationFailed, "this user may not write to the topic; allow it Write and Describe"},
	{kerr.ClusterAuthorizationFailed, "this user may write to no topic, or may not make one; allow it Write on the topic, IdempotentWrite on the cluster before Kafka 3.0, and Create if it is to make topics"},
	{kerr.SaslAuthenticationFailed, "the broker does not know this user with this password or token; correct user, mechanism, or the file"},
	{kerr.UnsupportedSaslMechanism, "the broker does not offer this mechanism; choose another one"},
	{kerr.IllegalSaslState, "the broker expects no authentication on this port; choose another port, or leave mechanism out"},
	{kerr.NotEnoughReplicas, "fewer replicas are in sync than min.insync.replicas of the topic asks for; have the other brokers back"},
	{kerr.NotEnoughReplicasAfterAppend, "fewer replicas are in sync than min.insync.replicas of the topic asks for; have the other brokers back"},
	{kerr.InvalidReplicationFactor, "there are fewer brokers than replicas; correct replicas"},
	{kerr.PolicyViolation, "a policy of the brokers forbids it"},
	{kerr.UnsupportedCompressionType, "the broker does not take this compression; choose another one"},
	{kerr.InvalidRecord, "the topic takes no such records; it may validate schemas"},
}

// explain returns an error that says what was tried on which topic, and what to do. It
// holds no credential.
func (s *Sink) explain(topic string, err error) error {
	what := "Kafka"
	if topic != "" {
		what = fmt.Sprintf("topic %q", topic)
	}
	text := fmt.Errorf("%s: %w", what, err)
	for _, a := range advice {
		if errors.Is(err, a.is) {
			text = fmt.Errorf("%s: %s: %w", what, a.says, err)
			break
		}
	}
	var eof *kgo.ErrFirstReadEOF
	switch {
	case errors.Is(err, io.EOF) && s.o.Mechanism != "":
		text = fmt.Errorf("%s: the broker ends the connection, as it may for a wrong user, password, token or mechanism, and where it wants TLS: %w", what, err)
	case errors.As(err, &eof), errors.Is(err, io.EOF):
		text = fmt.Errorf("%s: the broker ends the connection at once; it may want TLS or authentication where there is none, or the other way round: %w", what, err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, kgo.ErrAborting), errors.Is(err, kgo.ErrRecordTimeout):
		text = fmt.Errorf("%s: no broker has accepted it within %s: %w", what, s.o.Timeout, err)
	}
	if advice := reach.Advice(err); advice != "" {
		text = fmt.Errorf("%w; %s", text, advice)
	}
	clean := s.secrets.Error(text)
	if isTooLarge(err) {
		return pipeline.Permanent(clean)
	}
	return clean
}
