package kafka_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/kafka"
)

func TestKind(t *testing.T) {
	kind := kafka.Kind()
	if err := kind.Validate(); err != nil {
		t.Fatal(err)
	}
	kinds := sinks.Kinds{kind}
	spec, err := kinds.Parse("kafka://a:9092,b:9093/f.{cluster}.{resource}?mechanism=oauthbearer&token-file=/t&batch=7&compression=lz4")
	if err != nil {
		t.Fatal(err)
	}
	if spec.Identity != "kafka://a:9092,b:9093/f.{cluster}.{resource}" || spec.MaxBatch != 7 {
		t.Errorf("%+v", spec)
	}
	for text, want := range map[string]string{
		"kafka://a":                                    "no name",
		"kafka://a/":                                   "no name",
		"kafka://a/b/c":                                "characters",
		"kafka://a/..":                                 "dots",
		"kafka://a/" + strings.Repeat("x", 250):        "249",
		"kafka://a/f.{namespace}":                      "cluster nor resource",
		"kafka://a/f.{cluster":                         "cluster nor resource",
		"kafka://a/{cluster}{resource}":                "dot between",
		"kafka://a/{cluster}-{resource}":               "dot between",
		"kafka://me@a/b":                               "user with password-file",
		"kafka://a/b?user=me":                          "mechanism",
		"kafka://a/b?mechanism=plain&user=me":          "password-file",
		"kafka://a/b?mechanism=oauthbearer&user=me":    "token-file",
		"kafka://a/b?tls=false&ca=/ca":                 "tls=false",
		"kafka://a/b?cert=/c":                          "without key",
		"kafka://a/b?partitions=3":                     "create-topic",
		"kafka://a/b?compression=brotli&binding=other": "none of",
	} {
		if _, err := kinds.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", text, err, want)
		}
	}
}

func TestNewTellsEveryMistake(t *testing.T) {
	_, err := kafka.New(kafka.Options{Binding: "x", Tombstones: "x", Compression: "x", User: "me", MaxMessage: 1})
	if err == nil || strings.Count(err.Error(), "\n") != 6 {
		t.Errorf("New: %v, want seven mistakes", err)
	}
}

// Topics and keys of different objects are different, whatever their names hold, and
// topics have only what a topic may have.
func FuzzNamesStayApart(f *testing.F) {
	f.Add("a", "b.c", "ns", "n", "a.b", "c", "ns", "n")
	f.Add("a/b", "c", "", "n", "a", "b/c", "", "n")
	f.Add("a_2E", "c", "", "x/y", "a.", "c", "x", "y")
	f.Add(strings.Repeat("a", 300), "c", "", "%2F", strings.Repeat("a", 301), "c", "", "/")
	f.Fuzz(func(t *testing.T, c1, r1, ns1, n1, c2, r2, ns2, n2 string) {
		a, b := pipeline.Key{Cluster: c1, Resource: r1, Namespace: ns1, Name: n1}, pipeline.Key{Cluster: c2, Resource: r2, Namespace: ns2, Name: n2}
		if same := kafka.KeyOf(a) == kafka.KeyOf(b); same != (a == b) {
			t.Errorf("keys %q and %q of %+v and %+v", kafka.KeyOf(a), kafka.KeyOf(b), a, b)
		}
		for _, template := range []string{"{cluster}.{resource}", "x_41.{resource}-.{cluster}"} {
			one, other := kafka.TopicOf(template, a), kafka.TopicOf(template, b)
			if same := one == other; same != (c1 == c2 && r1 == r2) {
				t.Errorf("topics %q and %q of %q, %q and %q, %q", one, other, c1, r1, c2, r2)
			}
			if rest := strings.Trim(one, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"); rest != "" || len(one) > 249 {
				t.Errorf("topic %q", one)
			}
		}
	})
}

func ExampleNew() {
	s, err := kafka.New(kafka.Options{Brokers: []string{"broker:9092"}, Topic: "fairlead.{cluster}"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Close())
	// Output: <nil>
}
