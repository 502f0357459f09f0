package nats_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-dev/fairlead/internal/testpages"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/nats"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

const page = "../../docs/sinks/nats.md"

// Nothing runs the nats command: the proofs do what its arguments say, but for three replicas,
// which one server does not have.
func TestPage(t *testing.T) {
	testpages.Prove(t, page, map[string]testpages.Proof{
		"fairlead run ":    testpages.By("../../cmd/internal/app", "TestCommandsOfPages"),
		"nats stream add ": setsUp,
		"nats kv ls ":      asksJQ,
		"import (":         testpages.By(".", "TestPageAnswersItsQuestions"),
	})
}

// subjects are those of a cell of a table.
var subjects = regexp.MustCompile("`([^`]+)`")

// rightsOf returns what users may do by the table of the page: a row for more adds to the one of
// its mode.
func rightsOf(t *testing.T, text string) []*server.User {
	t.Helper()
	rights := map[string]*server.Permissions{}
	users := []*server.User{{Username: "admin", Password: "admin"}}
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(line, "| stream") && !strings.HasPrefix(line, "| kv") {
			continue
		}
		mode, more, _ := strings.Cut(strings.TrimSpace(cells[1]), ", ")
		may := &server.Permissions{Publish: &server.SubjectPermission{}, Subscribe: &server.SubjectPermission{}}
		for of, cell := range map[*server.SubjectPermission]string{may.Publish: cells[2], may.Subscribe: cells[3]} {
			for _, m := range subjects.FindAllStringSubmatch(cell, -1) {
				of.Allow = append(of.Allow, m[1])
			}
		}
		name := mode
		if more != "" {
			name = mode + "-more"
			may.Publish.Allow = append(may.Publish.Allow, rights[mode].Publish.Allow...)
			may.Subscribe.Allow = append(may.Subscribe.Allow, rights[mode].Subscribe.Allow...)
		}
		rights[name] = may
		users = append(users, &server.User{Username: name, Password: secret, Permissions: may})
	}
	if len(users) != 5 {
		t.Fatalf("the page has the rights of %d users", len(users)-1)
	}
	return users
}

// configOf returns what the arguments of `nats stream add` say, for one server.
func configOf(t *testing.T, c testpages.Command) (config jetstream.StreamConfig) {
	t.Helper()
	window, err := time.ParseDuration(c.Flag("--dupe-window")[0])
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{
		"name": c[3], "subjects": c.Flag("--subjects"), "storage": c.Flag("--storage")[0], "retention": c.Flag("--retention")[0],
		"discard": c.Flag("--discard")[0], "duplicate_window": window, "num_replicas": 1,
	})
	if err == nil {
		err = json.Unmarshal(text, &config)
	}
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// Who does what the page says for the set-up has a stream and a bucket that users with the rights
// of the page's table write to, check and read back.
func setsUp(t *testing.T, block string) {
	users := rightsOf(t, testpages.Read(t, page).Part("## Set-up").Text())
	p := start(t, func(o *server.Options) { o.Users = users })
	text := "nats://" + p.addr + "/STREAM?tls=false&password-file=" + file(t, secret) + "&user="
	stream, bucket := strings.Replace(text, "STREAM", "fairlead", 1), strings.Replace(text, "STREAM", "inventory", 1)
	batch := []*pipeline.Change{change("a", 1, 9), change("b", 2, 9)}
	sinktest.Fails(t, choose(t, stream+"stream").Write(t.Context(), batch), "no stream takes the subject")
	sinktest.Fails(t, choose(t, bucket+"kv&mode=kv").Write(t.Context(), batch), "the bucket does not exist")

	admin := client.UserInfo("admin", "admin")
	if err := choose(t, stream+"stream-more&create=true&replicas=1").Write(t.Context(), batch); err != nil {
		t.Errorf("a stream that the sink makes: %v", err)
	}
	commands := testpages.Commands(block)
	if len(commands) != 2 || strings.Join(commands[1][:3], " ") != "nats kv add" {
		t.Fatalf("the commands are %v", commands)
	}
	p.as(func(js jetstream.JetStream) {
		if err := js.DeleteStream(t.Context(), "fairlead"); err != nil {
			t.Fatal(err)
		}
		if _, err := js.CreateStream(t.Context(), configOf(t, commands[0])); err != nil {
			t.Fatal(err)
		}
		if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: commands[1][3]}); err != nil {
			t.Fatal(err)
		}
	}, admin)
	for what, text := range map[string]string{"stream": stream + "stream", "bucket": bucket + "kv&mode=kv"} {
		var sink pipeline.Sink
		for range 2 { // also of keys that are there, and that a process has to read
			sink = choose(t, text)
			if err := sink.Write(t.Context(), batch); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := sink.(sinks.Checker).Check(t.Context()); err != nil && !(what == "stream" && sinks.IsCaution(err)) {
			t.Errorf("check of the %s: %v", what, err)
		}
	}
	if err := choose(t, stream+"stream-more").(sinks.Checker).Check(t.Context()); err != nil {
		t.Errorf("check of the stream with the rights for that: %v", err)
	}
	read := 0
	back := func(user string) error {
		return choose(t, bucket+user+"&mode=kv").(*nats.KV).ReadBack(t.Context(), "alpha", "configmaps", func(sinks.Held) error {
			read++
			return nil
		})
	}
	if err := back("kv-more"); err != nil || read != len(batch) {
		t.Errorf("with the rights to read it back: %d keys, %v", read, err)
	}
}
