package kafka_test

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha512"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/fairlead-dev/fairlead/internal/testpages"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

const page = "../../docs/sinks/kafka.md"

// Nothing runs kcat and the scripts of Kafka: the proofs do what their arguments say.
func TestPage(t *testing.T) {
	testpages.Prove(t, page, map[string]testpages.Proof{
		"fairlead run ":    testpages.By("../../cmd/internal/app", "TestCommandsOfPages"),
		"kafka-topics.sh ": setsUp,
		"kcat ":            asksJQ,
		"import (":         testpages.By(".", "TestPageAnswersItsQuestions"),
	})
}

// Who does what the page says for the set-up has a topic that the sink of the page may write to,
// and not before.
func setsUp(t *testing.T, block string) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "root", "root"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	c := &cluster{Cluster: fake, t: t, addrs: fake.ListenAddrs()}
	root := kgo.SASL(plain.Auth{User: "root", Pass: "root"}.AsMechanism())
	admin, err := kgo.NewClient(kgo.SeedBrokers(c.addrs...), root)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()

	sink := testpages.Commands(testpages.Read(t, page).Blocks()[0].Text)[0].Flag("--sink")[0]
	sink = regexp.MustCompile(`^kafka://[^/]+`).ReplaceAllString(sink, "kafka://"+strings.Join(c.addrs, ","))
	sink = strings.NewReplacer("/etc/kafka/password", file(t, secret), "&ca=/etc/kafka/ca.crt", "&tls=false&timeout=5s").Replace(sink)
	s := choose(t, sink)
	all := testpages.Commands(block)
	if len(all) != 3 {
		t.Fatalf("%d commands: %v", len(all), all)
	}
	for _, command := range all {
		if err := s.(sinks.Checker).Check(t.Context()); err == nil {
			t.Errorf("before %v the sink may write already", command)
		}
		if err := administer(t.Context(), admin, command); err != nil {
			t.Fatalf("%v: %v", command, err)
		}
	}
	if err := s.(sinks.Checker).Check(t.Context()); err != nil {
		t.Errorf("after the set-up: %v", err)
	}
	if err := s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}); err != nil {
		t.Errorf("after the set-up: %v", err)
	}
	if n := len(c.records("fairlead", root)); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

// administer does what a command of Kafka's scripts does.
func administer(ctx context.Context, admin *kgo.Client, c testpages.Command) error {
	first := func(name string) string { return append(c.Flag(name), "")[0] }
	number := func(name string) int {
		n, _ := strconv.Atoi(first(name))
		return n
	}
	switch c[0] {
	case "kafka-topics.sh":
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = first("--topic"), int32(number("--partitions")), int16(number("--replication-factor"))
		for _, config := range c.Flag("--config") {
			name, value, _ := strings.Cut(config, "=")
			topic.Configs = append(topic.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: name, Value: &value})
		}
		ask := kmsg.NewPtrCreateTopicsRequest()
		ask.TimeoutMillis, ask.Topics = 60_000, append(ask.Topics, topic)
		answer, err := ask.RequestWith(ctx, admin)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(answer.Topics[0].ErrorCode)
	case "kafka-configs.sh":
		if first("--add-config") != "SCRAM-SHA-512=[password=$(cat password)]" {
			return fmt.Errorf("it adds something else than a password: %s", first("--add-config"))
		}
		user := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
		user.Name, user.Mechanism, user.Iterations, user.Salt = first("--entity-name"), 2, 4096, []byte("salt")
		var err error
		if user.SaltedPassword, err = pbkdf2.Key(sha512.New, secret, user.Salt, int(user.Iterations), sha512.Size); err != nil {
			return err
		}
		ask := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
		ask.Upsertions = append(ask.Upsertions, user)
		answer, err := ask.RequestWith(ctx, admin)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(answer.Results[0].ErrorCode)
	case "kafka-acls.sh":
		ask := kmsg.NewPtrCreateACLsRequest()
		for _, operation := range c.Flag("--operation") {
			allowed, err := kmsg.ParseACLOperation(operation)
			if err != nil {
				return err
			}
			right := kmsg.NewCreateACLsRequestCreation()
			right.ResourceType, right.ResourceName, right.ResourcePatternType = kmsg.ACLResourceTypeTopic, first("--topic"), kmsg.ACLResourcePatternTypeLiteral
			right.Principal, right.Host, right.Operation, right.PermissionType = first("--allow-principal"), "*", allowed, kmsg.ACLPermissionTypeAllow
			ask.Creations = append(ask.Creations, right)
		}
		answer, err := ask.RequestWith(ctx, admin)
		if err != nil {
			return err
		}
		for _, result := range answer.Results {
			if err := kerr.ErrorForCode(result.ErrorCode); err != nil {
				return err
			}
		}
		return nil
	}
	return errors.New("no script of Kafka")
}
