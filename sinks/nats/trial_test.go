package nats_test

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/sinks/nats"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// A sink that is opened for a trial finds nothing wrong with what it would make, and makes
// nothing. What is there must take some of what the sink writes.
func TestTrialMakesNothing(t *testing.T) {
	p := start(t, nil)
	trial := func(o *nats.Options) { o.Trial, o.Create = true, &nats.Create{} }
	for name, check := range map[string]func() error{
		"stream": func() error { return open(t, p, trial).Check(t.Context()) },
		"bucket": func() error { return openKV(t, p, trial).Check(t.Context()) },
	} {
		if err := check(); err != nil {
			t.Errorf("%s, which is to be made: %v", name, err)
		}
	}
	p.as(func(js jetstream.JetStream) {
		for info := range js.ListStreams(t.Context()).Info() {
			t.Errorf("%s was made", info.Config.Name)
		}
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "fairlead", Subjects: []string{"other.>"}})
		if err != nil {
			t.Fatal(err)
		}
	})
	sinktest.Fails(t, open(t, p, trial).Check(t.Context()), "none of the subjects fairlead.>")
	for subject, some := range map[string]bool{"fairlead.*": false, "fairlead.*.*.*.*": false, "fairlead.a.*.*.*.*.*": false, "fairlead.a.>": true, "fairlead.*.*.*.*.x": true, "fairlead.*.>": true, "fairlead.>": true} {
		p.as(func(js jetstream.JetStream) {
			if _, err := js.UpdateStream(t.Context(), jetstream.StreamConfig{Name: "fairlead", Subjects: []string{"other.>", subject}}); err != nil {
				t.Fatal(err)
			}
		})
		for name, with := range map[string]func(*nats.Options){"a trial": trial, "the sink": nil} {
			err := open(t, p, with).Check(t.Context())
			if some && err != nil {
				t.Errorf("%s, %s: %v", name, subject, err)
			} else if !some {
				sinktest.Fails(t, err, "none of fairlead.*.*.*.*.*")
			}
		}
	}
}

// Who may not look at the stream is told nothing of its subjects.
func TestCheckWithoutTheRightToLook(t *testing.T) {
	p := start(t, func(o *server.Options) {
		o.Users = []*server.User{{Username: "admin", Password: "admin"}, {Username: "me", Password: secret, Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: []string{"fairlead.>", "$JS.API.STREAM.NAMES"}}, Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
		}}}
	}).make(client.UserInfo("admin", "admin"))
	s := choose(t, "nats://"+p.addr+"/fairlead?tls=false&user=me&password-file="+file(t, secret)).(*nats.Sink)
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
}
