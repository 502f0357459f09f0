package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// mostPods bounds a list of Pods. Of Fairlead there are two or three, but all of a namespace
// may be listed.
const mostPods = 500

// find returns the name of the Pod to ask: the one that holds the Lease, or has the
// leader's label, or any one. One that follows says who leads. Of several Fairleads that
// elect by Leases it takes none.
func (p *pods) find(ctx context.Context) (string, error) {
	running, err := p.running(ctx)
	if err != nil {
		return "", err
	}
	if len(running) == 0 {
		return "", fmt.Errorf("no Pod with the label %s or a container %s runs in namespace %s; name the namespace with -n, or the Pod with --pod", podSelector, container, p.namespace)
	}
	pod, err := p.holder(ctx, running)
	if err != nil || pod != "" {
		return pod, err
	}
	// There is another lock, or none.
	leaders, err := p.list(ctx, leaderSelector, nil)
	if err != nil {
		return "", err
	}
	for _, name := range leaders {
		if slices.Contains(running, name) {
			return name, nil
		}
	}
	return running[0], nil
}

// longestHost is how many characters of its Pod's name a container has as the name of its
// host. (Kubernetes cuts it, and what then is a hyphen or a dot at its end.)
const longestHost = 63

// podOf returns the Pod whose host has that name; empty if none has, or several may.
func podOf(running []string, host string) (pod string) {
	for _, name := range running {
		switch {
		case name == host:
			return name
		case len(name) <= longestHost || strings.TrimRight(name[:longestHost], "-.") != host:
		case pod != "":
			return ""
		default:
			pod = name
		}
	}
	return pod
}

// running returns the names of Fairlead's Pods that run: those with its label. If none has
// it, as where the chart's nameOverride changes the label, those with its container.
func (p *pods) running(ctx context.Context) ([]string, error) {
	names, err := p.list(ctx, podSelector, nil)
	if err != nil || len(names) > 0 {
		return names, err
	}
	return p.list(ctx, "", func(pod *corev1.Pod) bool {
		return slices.ContainsFunc(pod.Spec.Containers, func(c corev1.Container) bool { return c.Name == container })
	})
}

// list returns, in order, the names of the Pods that run, have the labels, and are wanted: a
// nil function wants all.
func (p *pods) list(ctx context.Context, selector string, wanted func(*corev1.Pod) bool) (names []string, err error) {
	list, err := untilDone(ctx, p, func() (*corev1.PodList, error) {
		return p.core.Pods(p.namespace).List(ctx, metav1.ListOptions{LabelSelector: selector, Limit: mostPods})
	})
	if err != nil {
		return nil, p.failed("look for the Pods of Fairlead", "pods", "list", err)
	}
	for i := range list.Items {
		pod := &list.Items[i]
		if pod.Status.Phase == corev1.PodRunning && pod.DeletionTimestamp == nil && (wanted == nil || wanted(pod)) {
			names = append(names, pod.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// next returns the way to the leader that a follower names. Only a Pod of Fairlead is
// ever asked.
func (p *pods) next(ctx context.Context, from *way, l api.Leader) (*way, error) {
	if l.Host == "" {
		return nil, errors.New("it does not say in which Pod the leader is; name it with --pod")
	}
	running, err := p.running(ctx)
	if err != nil {
		return nil, err
	}
	pod := podOf(running, l.Host)
	if pod == "" || pod == from.pod {
		return nil, fmt.Errorf("the leader is in %s, which is no other running Pod of Fairlead in namespace %s; there are %s", Printable(l.Host), p.namespace, strings.Join(running, ", "))
	}
	return p.way(pod), nil
}

// connectWithin is how long an API server may take to begin its answer, the plugin for
// credentials with it, unless --request-timeout says so. It is less than the bound of the
// request by toTell, so that this is what is told.
const (
	connectWithin = answerWithin - toTell
	toTell        = 2 * time.Second
)

// untilDone returns what ask returns, or why it is not waited for any longer: ctx has ended,
// or within is over. A plugin for credentials that hangs knows no context. What it asks goes
// on then, for as long as the process does, and is closed if it comes to anything.
func untilDone[T any](ctx context.Context, p *pods, ask func() (T, error)) (answer T, err error) {
	type result struct {
		answer T
		err    error
	}
	late := fmt.Errorf("%w after %v", context.DeadlineExceeded, p.within)
	ctx, cancel := context.WithTimeoutCause(ctx, p.within, late)
	defer cancel()
	got := make(chan result)
	go func() {
		a, err := ask()
		select {
		case got <- result{a, err}:
		case <-ctx.Done():
			if c, ok := any(a).(io.Closer); ok && err == nil {
				_ = c.Close() // nobody wants it any more
			}
		}
	}()
	select {
	case r := <-got:
		return r.answer, r.err
	case <-ctx.Done():
		why := "no answer"
		if plugin := p.config.ExecProvider; plugin != nil {
			why = fmt.Sprintf("no answer of the API server, or of the plugin for credentials %.300q; run that by itself to see whether it hangs", plugin.Command)
		}
		return answer, fmt.Errorf("%s: %w", why, context.Cause(ctx))
	}
}

// failed is an error of the API server, which says what right is missing if that is why.
func (p *pods) failed(what, resource, verbs string, err error) error {
	said := fmt.Errorf("%s in namespace %s: %w", what, p.namespace, p.redact.Error(err))
	if apierrors.IsForbidden(err) || strings.Contains(err.Error(), "is forbidden: ") { // SPDY has no type for it
		said = &pointlessError{fmt.Errorf("%w; you need a Role there that allows %s of %s", said, verbs, resource)}
	}
	return said
}
