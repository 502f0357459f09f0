package nats_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/sinktest"
)

// ear is a server that hears what clients send to log in, and refuses them all.
type ear struct {
	net.Listener
	done sync.WaitGroup

	mu    sync.Mutex
	lines []string
}

func hear(t *testing.T) *ear {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &ear{Listener: l}
	e.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			e.done.Go(func() { e.refuse(conn) })
		}
	})
	return e
}

// refuse notes the lines of a client up to its PING. A client may be gone before it is told.
func (e *ear) refuse(conn net.Conn) {
	defer conn.Close()
	_, _ = fmt.Fprint(conn, `INFO {"server_id":"x","version":"2.15.2","headers":true,"max_payload":1048576,"nonce":"abc","auth_required":true}`+"\r\n")
	for from := bufio.NewScanner(conn); from.Scan(); {
		e.mu.Lock()
		e.lines = append(e.lines, from.Text())
		e.mu.Unlock()
		if from.Text() == "PING" {
			_, _ = fmt.Fprint(conn, "-ERR 'Authorization Violation'\r\n")
			return
		}
	}
}

// heard returns what clients have sent. Later ones are not heard.
func (e *ear) heard() string {
	_ = e.Close() // It listens to nobody else.
	e.done.Wait()
	return strings.Join(e.lines, "\n")
}

// Of a file of credentials the server gets the JWT and a signature, and never the seed,
// however the file is damaged. What is sent in place of a JWT would be in the logs of
// servers and in what listens to connections without TLS.
func TestSeedIsNeverSent(t *testing.T) {
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	text, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	seed := string(text)
	const (
		token                = "eyJhbGciOiJlZDI1NTE5In0.eyJuYW1lIjoiYV9iLWMifQ.c2ln-_"
		begin, end           = "-----BEGIN NATS USER JWT-----\n", "------END NATS USER JWT------\n"
		beginSeed, endOfSeed = "-----BEGIN USER NKEY SEED-----\n", "------END USER NKEY SEED------\n"
	)
	good := begin + token + "\n" + end + "\n" + beginSeed + seed + "\n" + endOfSeed
	for name, c := range map[string]struct {
		creds string
		sent  bool // the JWT; else the file is refused
	}{
		"good":                     {good, true},
		"lines of Windows":         {strings.ReplaceAll(good, "\n", "\r\n"), true},
		"without decoration":       {token + "\n" + seed + "\n", false},
		"the seed first":           {seed + "\n" + token + "\n", false},
		"on one line":              {token + " " + seed + "\n", false},
		"no end of the JWT":        {begin + token + "\n\n" + beginSeed + seed + "\n" + endOfSeed, false},
		"no end at all":            {begin + token + "\n\n" + beginSeed + seed, false},
		"no end, cut before seed":  {begin + token + "\n" + seed + "\n", false},
		"a blank line after JWT":   {begin + token + "\n\n" + end + "\n" + beginSeed + seed + "\n" + endOfSeed, false},
		"a blank line before seed": {begin + token + "\n" + end + "\n" + beginSeed + "\n" + seed + "\n" + endOfSeed, true},
		"blank lines in both":      {begin + token + "\n\n" + end + beginSeed + "\n" + seed + "\n" + endOfSeed, false},
		"spaces at ends of lines":  {strings.ReplaceAll(good, "\n", " \n"), false},
		"spaces around the JWT":    {strings.ReplaceAll(good, token, " "+token+"\t"), false},
		"the seed in place of it":  {strings.ReplaceAll(good, token, seed), false},
		"the seed as a part of it": {strings.ReplaceAll(good, token, "a.b."+seed), false},
		"the seed behind it":       {strings.ReplaceAll(good, token, token+"."+seed), false},
		"a JWT of two parts":       {strings.ReplaceAll(good, token, "eyJh.eyJi"), false},
		"a JWT with an empty part": {strings.ReplaceAll(good, token, "eyJh..c2ln"), false},
	} {
		t.Run(name, func(t *testing.T) {
			e := hear(t)
			s := choose(t, "nats://"+e.Addr().String()+"/fairlead?tls=false&creds-file="+file(t, c.creds))
			for _, err := range []error{s.Write(t.Context(), []*pipeline.Change{change("a", 1, 9)}), check(t.Context(), s)} {
				if sinktest.Fails(t, err); strings.Contains(err.Error(), seed) || strings.Contains(err.Error(), token) {
					t.Errorf("an error shows a credential: %v", err)
				}
				if refused := strings.Contains(err.Error(), "creds-file: read"); refused == c.sent {
					t.Errorf("%v, want the file to be refused: %v", err, !c.sent)
				}
			}
			heard := e.heard()
			if strings.Contains(heard, seed) || strings.Contains(heard, seed[:10]) {
				t.Errorf("the seed is sent: %s", strings.ReplaceAll(heard, seed, "SEED"))
			}
			if want := `"jwt":"` + token + `"`; strings.Contains(heard, want) != c.sent {
				t.Errorf("sent: %v, want it with %s: %v", heard != "", want, c.sent)
			}
			if !c.sent && heard != "" {
				t.Errorf("a file that is refused is sent: %s", strings.ReplaceAll(heard, seed, "SEED"))
			}
		})
	}
}

func check(ctx context.Context, s pipeline.Sink) error { return s.(sinks.Checker).Check(ctx) }
