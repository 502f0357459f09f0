package ctl

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// bundlePages are what a process tells of itself, by file.
var bundlePages = []struct{ file, path string }{
	{"version.json", "/version"},
	{"readyz.txt", "/readyz"},
	{"flags.json", "/flags"},
	{"clusters.json", "/clusters"},
	{"metrics.txt", "/metrics"},
}

// Bounds of a log.
const (
	mostLog      = 8 << 20 // bytes
	mostLogLines = 20000
)

// collect adds all that can be got: of all Pods, or of the process that is asked and the
// one that leads.
func (b *bundle) collect(ctx context.Context, at *way) {
	if at.pods == nil {
		b.collectOne(ctx, "process", at)
		var s api.Status
		if err := page("/clusters", &s).send(ctx, at); err != nil || s.Election.Following() == "" {
			return // it is told already
		}
		leader, err := at.adminOf(ctx, api.Leader{Identity: s.Election.Leader, Host: s.Election.LeaderHost, Address: s.Election.LeaderAddress})
		if err != nil {
			b.lack("leader", err)
			return
		}
		b.collectOne(ctx, "leader", leader)
		return
	}
	names, err := at.pods.running(ctx)
	if err != nil {
		b.lack("other Pods", err)
	}
	if !slices.Contains(names, at.pod) { // it has other labels, and was named
		names = append([]string{at.pod}, names...)
	}
	for _, name := range names {
		b.collectOne(ctx, name, at.pods.way(name))
		b.addLog(ctx, name+"/log.txt", at.pods, name, false)
		b.addLog(ctx, name+"/log-before.txt", at.pods, name, true)
	}
}

// collectOne adds what one process tells.
func (b *bundle) collectOne(ctx context.Context, folder string, at *way) {
	for _, p := range bundlePages {
		var text []byte
		r := page(p.path, &text)
		r.as = append(r.as, http.StatusInternalServerError) // of one that is not ready
		if err := r.send(ctx, at); err != nil {
			b.lack(folder+"/"+p.file, err)
			continue
		}
		b.add(folder+"/"+p.file, text)
	}
}

// addLog adds the end of a Pod's log, or of that of the container before.
func (b *bundle) addLog(ctx context.Context, file string, p *pods, pod string, before bool) {
	text, err := p.log(ctx, pod, before)
	switch {
	case err == nil:
		b.add(file, text)
	case !before: // most have none of before
		b.lack(file, err)
	}
}

func (p *pods) log(ctx context.Context, pod string, before bool) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	lines, bytes := int64(mostLogLines), int64(mostLog)
	body, err := untilDone(ctx, p, func() (io.ReadCloser, error) {
		return p.core.Pods(p.namespace).GetLogs(pod, &corev1.PodLogOptions{
			Container: container, Previous: before, TailLines: &lines, LimitBytes: &bytes, Timestamps: true,
		}).Stream(ctx)
	})
	if err != nil {
		return nil, p.failed(fmt.Sprintf("read the log of Pod %s", pod), "pods/log", "get", err)
	}
	defer func() { _ = body.Close() }()
	return io.ReadAll(io.LimitReader(body, mostLog))
}
