package fleet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	eventsclient "k8s.io/client-go/kubernetes/typed/events/v1"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

// The reasons of the Events.
const (
	eventUnusable  = "ClusterUnusable"    // the description cannot be used
	eventNameTaken = "ClusterNameTaken"   // another description has the name
	eventLimits    = "ClusterLimitsWrong" // the annotations cannot be used
)

const (
	// eventBacklog is how many Events may wait for the hub.
	eventBacklog = 256
	// A fleet of which everything becomes wrong at once is told in a minute; one
	// in which something flaps cannot fill the hub.
	eventsPerSecond = 1
	eventBurst      = 60
	// eventsKnown bounds what is remembered to count repetitions.
	eventsKnown = 4096

	eventTimeout = 10 * time.Second
	// maxNote is what the API allows.
	maxNote = 1024
)

// events tells what is wrong with an object of the hub in an Event on it. The
// same again, within the hour that a hub keeps Events, counts up the one that is
// there. What cannot be told at once is dropped and counted: the log and the
// problems have it too.
//
// client-go's recorders are not used because they start goroutines that nothing
// waits for.
type events struct {
	waiting chan event
	seen    map[string]int // how often, by the Event's name; of run
	dropped atomic.Int64
}

type event struct {
	object       corev1.ObjectReference
	reason, note string
	time         time.Time
}

func newEvents() *events {
	return &events{waiting: make(chan event, eventBacklog), seen: map[string]int{}}
}

// warn has an Event written. It does not block.
func (e *events) warn(object corev1.ObjectReference, reason, note string) {
	select {
	case e.waiting <- event{object, reason, note, time.Now()}:
	default:
		e.dropped.Add(1)
	}
}

// run writes Events until ctx ends.
func (e *events) run(ctx context.Context, hub *rest.Config, log logr.Logger) error {
	hub = rest.CopyConfig(hub)
	hub.Timeout = eventTimeout
	client, err := eventsclient.NewForConfig(hub)
	if err != nil {
		return fmt.Errorf("write Events: %w", err)
	}
	instance, err := os.Hostname()
	if err != nil || instance == "" {
		instance = "unknown"
	}
	var (
		limiter = rate.NewLimiter(eventsPerSecond, eventBurst)
		failing bool
	)
	for ctx.Err() == nil {
		var next event
		select {
		case <-ctx.Done():
			return nil
		case next = <-e.waiting:
		}
		err := limiter.Wait(ctx)
		if err == nil {
			err = e.write(ctx, client, next, instance)
		}
		if ctx.Err() == nil {
			e.report(log, err, failing)
			failing = err != nil
		}
	}
	return nil
}

// report counts an Event that was not written, and logs when that begins and
// ends.
func (e *events) report(log logr.Logger, err error, failing bool) {
	if err != nil {
		e.dropped.Add(1)
	}
	switch failed := err != nil; {
	case failed && !failing:
		log.Error(err, "Cannot write Events in the hub; grant create and patch on events.events.k8s.io, as deploy/components does")
	case failing && !failed:
		log.Info("Events in the hub are written again")
	}
}

// write creates the Event, or counts it up if it is there.
func (e *events) write(ctx context.Context, client eventsclient.EventsV1Interface, next event, instance string) error {
	next.note = redact.Cut(next.note, maxNote)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %s", next.object.UID, next.reason, next.note))
	name := fmt.Sprintf("%.230s.%s", next.object.Name, hex.EncodeToString(sum[:8]))
	if len(e.seen) >= eventsKnown {
		clear(e.seen)
	}
	e.seen[name]++
	_, err := client.Events(next.object.Namespace).Create(ctx, &eventsv1.Event{
		ObjectMeta:          metav1.ObjectMeta{Namespace: next.object.Namespace, Name: name},
		EventTime:           metav1.NewMicroTime(next.time),
		ReportingController: "fairlead.dev/fleet",
		ReportingInstance:   fmt.Sprintf("%.128s", instance),
		Action:              "Describe",
		Type:                corev1.EventTypeWarning,
		Reason:              next.reason,
		Regarding:           next.object,
		Note:                next.note,
	}, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	patch, err := json.Marshal(map[string]any{"series": eventsv1.EventSeries{
		// Another run of this program may have made it.
		Count: int32(max(2, e.seen[name])), LastObservedTime: metav1.NewMicroTime(next.time),
	}})
	if err != nil {
		return err
	}
	_, err = client.Events(next.object.Namespace).Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}
