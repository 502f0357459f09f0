package nats_test

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// TestAFullStream: a stream that has its max_bytes and discards what is new refuses nothing
// for good, says so, and takes the changes once it has room.
func TestAFullStream(t *testing.T) {
	p := start(t, nil)
	config := jetstream.StreamConfig{Name: "fairlead", Subjects: []string{"fairlead.>"}, Discard: jetstream.DiscardNew, MaxBytes: 1_000}
	p.as(func(js jetstream.JetStream) {
		if _, err := js.CreateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	})
	s := open(t, p, nil)
	batch := []*pipeline.Change{change("a", 1, 2_000)}
	for range 2 {
		sinktest.Fails(t, s.Write(t.Context(), batch), "maximum bytes exceeded")
	}
	config.MaxBytes = 1 << 20
	p.as(func(js jetstream.JetStream) {
		if _, err := js.UpdateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	})
	sinktest.Insist(t, s, batch...)
	if got := sequences(p.events(), "a"); got != "[1]" {
		t.Errorf("the stream has %s", got)
	}
}
