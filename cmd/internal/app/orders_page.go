package app

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/page"
)

// orderOfPage does what a form of the status page asks for: what a command does that posts the
// same parameters, with the same checks, bounds and records.
func (a *admin) orderOfPage(r *http.Request, path string, q url.Values) page.Ordered {
	if err := a.unable(); err != nil {
		o := page.Ordered{Code: http.StatusServiceUnavailable, Line: err.Error, Refused: true}
		if err.Leader != nil {
			o.Instead = a.toLeader
		}
		return o
	}
	serve := map[string]func(*http.Request) (int, any){
		"/pause": a.servePause, "/resume": a.serveResume, "/replay": a.serveReplay, "/dead-letter/retry": a.serveRetry,
	}[path]
	if serve == nil {
		return page.Ordered{Code: http.StatusNotFound, Line: "there is no order " + path}
	}
	asked := r.Clone(r.Context())
	asked.URL, asked.Body, asked.ContentLength = &url.URL{Path: path, RawQuery: q.Encode()}, http.NoBody, 0
	code, said := serve(asked)
	o := page.Ordered{Code: code}
	switch said := said.(type) {
	case api.Error:
		o.Line, o.Known = said.Error, said.Known
	case unbegun:
		o.Line, o.Known, o.Refused = said.Error, said.Known, true
	case api.Pausing:
		o.Line = lineOfPausing(path == "/pause", &said)
	case api.Replay:
		o.Line = lineOfReplay(&said)
		if said.DryRun {
			o.Replay = &said
		}
	case resendingStatus:
		o.Line = lineOfResending(&said)
	default:
		o.Code, o.Line = http.StatusInternalServerError, fmt.Sprintf("it was asked for, and what came of it cannot be told: %T", said)
	}
	return o
}

// toLeader returns the command that makes the admin address of the Pod that leads one of the
// machine where it is run; empty: this process does not know enough for one that works. A Pod with
// a label of its own finds the leader's by that, also after another change. Else there is the name
// of the leader's host, which is that of its Pod; it is what the lock says, so that only what can
// be the name of a Pod comes into a command. All processes of an election have the same flags.
func (p *program) toLeader(l *api.Leader, podNamespace string) string {
	s := p.settings
	if p.adminAddress == nil {
		return ""
	}
	_, port, err := net.SplitHostPort(p.adminAddress.String())
	if err != nil {
		return ""
	}
	if namespace, _, err := parsePod(s.LeaderLabel); err == nil {
		return fmt.Sprintf(`kubectl --namespace=%[1]s port-forward "$(kubectl --namespace=%[1]s get pod --selector=%s=%s --output=name)" %s`, namespace, roleLabel, leaderRole, port)
	}
	namespace := namespaceOfPod(podNamespace)
	if namespace == "" || len(l.Host) >= longestHost || len(validation.IsDNS1123Subdomain(l.Host)) > 0 {
		return ""
	}
	return fmt.Sprintf("kubectl --namespace=%s port-forward pod/%s %s", namespace, l.Host, port)
}

// longestHost is how long the name of a host is at most, in bytes. Kubernetes cuts names of Pods
// that are longer.
const longestHost = 63

// namespaceOfPod is the namespace that a file names, empty if it names none.
func namespaceOfPod(file string) string {
	text, err := os.ReadFile(file)
	if namespace := strings.TrimSpace(string(text)); err == nil && len(validation.IsDNS1123Label(namespace)) == 0 {
		return namespace
	}
	return ""
}

// lineOfPausing says that something is paused from now on, or was until now.
func lineOfPausing(pauses bool, p *api.Pausing) string {
	var b strings.Builder
	if pauses {
		fmt.Fprintf(&b, "Paused %s (%s) %s.", p.Target, p.Mode, p.Said())
	} else {
		fmt.Fprintf(&b, "Resumed %s, which was paused %s since %s.", p.Target, p.Said(), p.Since.UTC().Format(time.RFC3339))
	}
	if p.NotStored != "" {
		fmt.Fprintf(&b, " It is not stored yet, so that a restart now would not know it: %s", p.NotStored)
	}
	return b.String()
}

// lineOfReplay says what a replay delivers again, or would.
func lineOfReplay(r *api.Replay) string {
	what := fmt.Sprintf("all objects that it has of %d streams", r.Streams)
	switch {
	case r.Objects != nil && *r.Objects == 1:
		what = "1 object"
	case r.Objects != nil:
		what = fmt.Sprintf("%d objects", *r.Objects)
	case r.Streams == 1:
		what = "all objects that it has of 1 stream"
	}
	if r.DryRun {
		return fmt.Sprintf("This would deliver %s of cluster %s again. They are those that sinks have accepted before.", what, r.Cluster)
	}
	line := fmt.Sprintf("Delivering %s of cluster %s again.", what, r.Cluster)
	if r.Streams == 0 {
		line = fmt.Sprintf("Nothing of cluster %s is delivered again now.", r.Cluster)
	}
	switch n := len(r.Waiting); {
	case n == 1:
		line += fmt.Sprintf(" 1 stream cannot now, and begins when it can: %s: %s.", r.Waiting[0].Stream, r.Waiting[0].Reason)
	case n > 1:
		line += fmt.Sprintf(" %d streams cannot now, and begin when they can, such as %s: %s.", n, r.Waiting[0].Stream, r.Waiting[0].Reason)
	}
	switch n := len(r.Failed); {
	case n == 1:
		line += fmt.Sprintf(" Nothing of one stream, %s: %s.", r.Failed[0].Stream, r.Failed[0].Reason)
	case n > 1:
		line += fmt.Sprintf(" Nothing of %d streams, such as %s: %s.", n, r.Failed[0].Stream, r.Failed[0].Reason)
	}
	return line
}

// lineOfResending says how far dead letters are.
func lineOfResending(s *resendingStatus) string {
	if s.Error != "" && s.Records == 0 && s.Earlier == 0 {
		return "The dead letters could not be sent again: " + s.Error
	}
	if s.State == isDone && s.Records == 0 {
		return "There are no dead letters."
	}
	line := fmt.Sprintf("%d dead letters: %d delivered, %d refused again, %d superseded, %d kept.", s.Records, s.Delivered, s.RefusedAgain, s.Superseded, s.Kept)
	if s.State == goingOn {
		line += fmt.Sprintf(" %d are on their way: the same button says how far they are.", s.Waiting)
	}
	if s.Earlier > 0 {
		line += fmt.Sprintf(" %d more are on their way since earlier retries.", s.Earlier)
	}
	if s.Error != "" {
		line += " Not all went well: " + s.Error
	}
	return line
}
