package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
)

// What the leader's Pod has, and no other of the same election.
const (
	roleLabel      = "fairlead.dev/role"
	leaderRole     = "leader"
	lockAnnotation = "fairlead.dev/lock" // the lock's identity: there may be several elections in one namespace
)

const (
	labelPoll    = time.Second      // how soon a new leader sets the label
	labelRefresh = 30 * time.Second // how often it looks whether all is as it should be
	labelTimeout = 5 * time.Second  // for one request
	labelLast    = 2 * time.Second  // for taking it off in the end
)

// leaderLabel keeps a label on the Pod of the leader, by which a Service finds it. It is
// no lock: two Pods have it for a moment, or none.
//
// The leader takes it off other Pods of its election, because a process that was killed
// leaves it on, and its Pod may live on.
type leaderLabel struct {
	pods  corev1client.PodInterface // of the namespace
	pod   string                    // of this process
	lock  string                    // identity
	leads func() bool
	log   logr.Logger
}

// parsePod parses NAMESPACE/NAME.
func parsePod(text string) (namespace, name string, err error) {
	namespace, name, ok := strings.Cut(text, "/")
	if !ok || len(validation.IsDNS1123Label(namespace)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return "", "", fmt.Errorf("%q names no Pod; write NAMESPACE/NAME, which the downward API can give", text)
	}
	return namespace, name, nil
}

// newLeaderLabel returns what keeps the label, nil if nothing is to.
func (p *program) newLeaderLabel() (*leaderLabel, error) {
	if p.settings.LeaderLabel == "" {
		return nil, nil
	}
	namespace, name, err := parsePod(p.settings.LeaderLabel)
	if err != nil {
		return nil, fmt.Errorf("--leader-label: %w", err)
	}
	hub := rest.CopyConfig(p.hub)
	hub.Timeout = labelTimeout
	hub.WarningHandlerWithContext = rest.NoWarnings{}
	client, err := corev1client.NewForConfig(hub)
	if err != nil {
		return nil, fmt.Errorf("--leader-label: connect to the hub: %w", err)
	}
	return &leaderLabel{
		pods: client.Pods(namespace), pod: name, lock: p.settings.lock.Identity,
		leads: func() bool { return p.election.MayAct() == nil },
		log:   p.log.WithValues("pod", p.settings.LeaderLabel),
	}, nil
}

// run keeps the label until ctx ends, and then takes it off.
func (l *leaderLabel) run(ctx context.Context) {
	if l == nil {
		return
	}
	tick := time.NewTicker(labelPoll)
	defer tick.Stop()
	var done, told bool // told that it cannot be done
	var was bool
	var at time.Time
	for {
		leads := l.leads()
		if !done || leads != was || leads && time.Since(at) >= labelRefresh {
			err := l.apply(ctx, leads)
			done, was, at = err == nil, leads, time.Now()
			switch {
			case err != nil && !told && ctx.Err() == nil:
				l.log.Error(err, "The label that shows who leads cannot be kept; it is tried again", "label", roleLabel)
			case err == nil && told:
				l.log.Info("The label that shows who leads is kept again", "label", roleLabel)
			}
			told = err != nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), labelLast)
			defer cancel()
			if err := l.apply(last, false); err != nil {
				l.log.Error(err, "The label that shows who leads is left on the Pod; the next leader takes it off", "label", roleLabel)
			}
			return
		}
	}
}

// apply makes the Pods say whether this process leads.
func (l *leaderLabel) apply(ctx context.Context, leads bool) error {
	if !leads {
		return l.patch(ctx, l.pod, "", nil, nil)
	}
	if err := l.patch(ctx, l.pod, "", leaderRole, l.lock); err != nil {
		return err
	}
	pods, err := l.pods.List(ctx, metav1.ListOptions{LabelSelector: roleLabel + "=" + leaderRole})
	if err != nil {
		return fmt.Errorf("look which Pods have it: %w", err)
	}
	var errs []error
	for i := range pods.Items {
		if !l.leads() {
			break // it was stopped meanwhile, and the label is another one's
		}
		if o := &pods.Items[i]; o.Name != l.pod && o.Annotations[lockAnnotation] == l.lock {
			errs = append(errs, l.patch(ctx, o.Name, o.UID, nil, nil))
		}
	}
	return errors.Join(errs...)
}

// patch sets role and lock of a Pod, or removes them. It changes no Pod with another
// UID, if one is given.
func (l *leaderLabel) patch(ctx context.Context, pod string, uid types.UID, role, lock any) error {
	meta := map[string]any{"labels": map[string]any{roleLabel: role}, "annotations": map[string]any{lockAnnotation: lock}}
	if uid != "" {
		meta["uid"] = uid
	}
	body, err := json.Marshal(map[string]any{"metadata": meta})
	if err != nil {
		return err
	}
	if _, err := l.pods.Patch(ctx, pod, types.MergePatchType, body, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("patch Pod %s: %w", pod, err)
	}
	return nil
}
