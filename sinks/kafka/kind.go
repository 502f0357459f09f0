package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// noKey is that of no change.
var noKey pipeline.Key

// Kind returns the kind of sink that is chosen by kafka://HOST:PORT/TOPIC. Its identity
// is the brokers and the topic as they were given.
func Kind() sinks.Kind {
	return sinks.Kind{
		Form: sinks.Form{
			Scheme: "kafka", Usage: "kafka://HOST:PORT[,HOST...]/TOPIC",
			Summary:     "CloudEvents in a topic of Kafka, keyed by object, with tombstones for compaction; TOPIC may hold {cluster} and {resource}",
			Rest:        sinks.URL,
			Credentials: "user with password-file, or token-file",
			Params: slices.Concat([]sinks.Param{
				{Name: "mechanism", Type: sinks.Choice, Choices: mechanisms, Meaning: "how to authenticate, by SASL; not at all, or by `cert`, if not given"},
				{Name: "user", Meaning: "name to authenticate with; with `password-file`"},
				{Name: "password-file", Type: sinks.File, Meaning: "file that holds the password of `user`; read again for each connection"},
				{Name: "token-file", Type: sinks.File, Meaning: "file that holds the token for `mechanism=oauthbearer`; read again for each connection"},
				{Name: "tls", Type: sinks.Bool, Default: "true", Meaning: "whether connections are encrypted and brokers verified"},
			}, credentials.Params(), []sinks.Param{
				{Name: "binding", Type: sinks.Choice, Choices: []string{Structured, Binary}, Default: Structured, Meaning: "whether the value is the whole event, or the object with the attributes in headers"},
				{Name: "tombstones", Type: sinks.Choice, Choices: []string{Both, Only, None}, Default: Both, Meaning: "whether a deletion is an event and a record without a value, only that, or an event"},
				{Name: "compression", Type: sinks.Choice, Choices: compressions, Default: compressions[0], Meaning: "how batches are compressed"},
				{Name: "create-topic", Type: sinks.Bool, Default: "false", Meaning: "make a topic that is missing"},
				{Name: "partitions", Type: sinks.Integer, Min: 1, Max: 100_000, Default: "6", Meaning: "partitions of a topic that is made"},
				{Name: "replicas", Type: sinks.Integer, Min: 1, Max: 100, Default: "3", Meaning: "replicas of a topic that is made"},
				{Name: "compact", Type: sinks.Bool, Default: "true", Meaning: "whether a topic that is made is compacted: it keeps the last record of each object"},
				{Name: "min-insync", Type: sinks.Integer, Min: 1, Max: 100, Default: "2", Meaning: "replicas of a topic that is made that must have a record before it is acknowledged (min.insync.replicas); one if `replicas` is 1"},
				{Name: "topic-max-message", Type: sinks.Bytes, Default: "4194304", Min: smallestBatch, Max: largestBatch, Meaning: "max.message.bytes of a topic that is made"},
				{Name: "client-id", Type: sinks.Name, Default: "fairlead", Meaning: "what this client calls itself, for quotas and logs of the brokers"},
				{Name: "max-message", Type: sinks.Bytes, Default: "1000012", Min: smallestBatch, Max: largestBatch, Meaning: "largest batch of records before compression, where the broker does not tell its own; larger records go alone"},
				{Name: "batch", Type: sinks.Integer, Default: "2000", Unit: "changes", Min: 1, Max: 10_000, Meaning: "most changes in one write"},
				{Name: "timeout", Type: sinks.Duration, Default: "30s", Min: 1e9, Max: 600e9, Meaning: "how long a write may take"},
			}),
		},
		Parse: parse,
	}
}

func parse(v *sinks.Value) (*sinks.Spec, error) {
	o := Options{
		Brokers: v.Hosts, Topic: strings.TrimPrefix(v.Path, "/"),
		Binding: v.Str("binding"), Tombstones: v.Str("tombstones"), Compression: v.Str("compression"),
		Mechanism: v.Str("mechanism"), User: v.Str("user"), ClientID: v.Str("client-id"),
		MaxMessage: int32(v.Int("max-message")), Timeout: v.Duration("timeout"),
	}
	files, err := credentials.TLSOf(v)
	secret, secretErr := secretFile(v)
	errs := []error{err, secretErr}
	if _, err := parseTemplate(o.Topic); err != nil {
		errs = append(errs, err)
	}
	if v.Bool("tls") {
		o.TLS = func(host string) (*tls.Config, error) { return files.For(host).Config() }
	} else if !files.IsZero() {
		errs = append(errs, errors.New("ca, cert, key and server-name are of no use with tls=false; leave out one or the other"))
	}
	if v.Bool("create-topic") {
		o.Create = &Create{Partitions: int32(v.Int("partitions")), Replicas: int16(v.Int("replicas")), Compact: v.Bool("compact"), MaxMessage: int32(v.Int("topic-max-message"))}
		if v.Given("min-insync") {
			o.Create.MinInSync = int16(v.Int("min-insync"))
		}
		if o.Create.MinInSync > o.Create.Replicas {
			errs = append(errs, errors.New("min-insync is more than replicas: the topic would take nothing; lower one or raise the other"))
		}
	} else if v.Given("partitions") || v.Given("replicas") || v.Given("compact") || v.Given("min-insync") || v.Given("topic-max-message") {
		errs = append(errs, errors.New("partitions, replicas, compact, min-insync and topic-max-message are for a topic that is made; give create-topic=true, or leave them out"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if secret != "" {
		name := "password-file"
		if v.Str("token-file") != "" {
			name = "token-file"
		}
		o.Secret = func(context.Context) (string, error) {
			text, err := credentials.Read(secret)
			if err != nil {
				err = fmt.Errorf("%s: %w", name, err)
			}
			return text, err
		}
	}
	return &sinks.Spec{
		Identity: "kafka://" + strings.Join(v.Hosts, ",") + v.Path,
		MaxBatch: int(v.Int("batch")),
		Open: func(_ context.Context, env sinks.Env) (pipeline.Sink, error) {
			o := o
			o.Log, o.Registerer = env.Log, env.Registerer
			s, err := New(o)
			if err != nil {
				return nil, err // not a nil *Sink
			}
			return s, nil
		},
	}, nil
}

// secretFile returns the file with what the mechanism needs.
func secretFile(v *sinks.Value) (string, error) {
	mechanism, user := v.Str("mechanism"), v.Str("user")
	password, token := v.Str("password-file"), v.Str("token-file")
	switch {
	case mechanism == "" && (user != "" || password != "" || token != ""):
		return "", errors.New("user, password-file and token-file go with a mechanism; give mechanism=plain, scram-sha-256, scram-sha-512 or oauthbearer")
	case mechanism == "":
		return "", nil
	case mechanism == "oauthbearer":
		if token == "" || user != "" || password != "" {
			return "", errors.New("mechanism=oauthbearer takes token-file, and neither user nor password-file")
		}
		return token, nil
	case user == "" || password == "" || token != "":
		return "", errors.New("this mechanism takes user and password-file, and no token-file; give both")
	}
	return password, nil
}
