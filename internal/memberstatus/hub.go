package memberstatus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/fairlead-dev/fairlead/internal/apiclient"
	"github.com/fairlead-dev/fairlead/internal/apistatus"
)

const (
	// page is how many objects are listed at a time, maxPage bounds the answer in bytes:
	// an object has a few KiB.
	page, maxPage = 200, 16 << 20
	// maxWritten bounds the answer to a write.
	maxWritten = 1 << 20
)

// hub makes the requests.
type hub struct {
	namespace string
	caller    *apiclient.Caller
}

func (h *hub) path(name string) string {
	path := "/apis/" + group + "/" + version + "/namespaces/" + h.namespace + "/" + plural
	if name != "" {
		path += "/" + name
	}
	return path
}

// list returns the objects of this program, by cluster.
func (h *hub) list(ctx context.Context) (map[string]*held, error) {
	all := map[string]*held{}
	query := url.Values{"labelSelector": {labelManaged + "=" + managed}, "limit": {strconv.Itoa(page)}}
	for {
		text, err := h.caller.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: h.path(""), Query: query}, maxPage)
		if err != nil {
			return nil, h.explain(err, "list", plural)
		}
		var found struct {
			Kind     string `json:"kind"`
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []object `json:"items"`
		}
		if err := json.Unmarshal(text, &found); err != nil || found.Kind != kind+"List" {
			return nil, errors.New("the hub's answer to a list of memberclusters is no such list")
		}
		for _, o := range found.Items {
			if o.isOwn() {
				all[o.Spec.Cluster] = heldOf(&o)
			}
		}
		if found.Metadata.Continue == "" {
			return all, nil
		}
		query.Set("continue", found.Metadata.Continue)
	}
}

// get returns the object of a cluster, nil if there is none. One that is not this
// program's is refused.
func (h *hub) get(ctx context.Context, cluster string) (*held, error) {
	name := ObjectName(cluster)
	text, err := h.caller.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: h.path(name)}, maxWritten)
	if apistatus.Of(err).Code == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, h.explain(err, "get", plural)
	}
	o := &object{}
	if err := json.Unmarshal(text, o); err != nil || o.Kind != kind {
		return nil, errors.New("the hub's answer is no MemberCluster")
	}
	if !o.isOwn() || o.Spec.Cluster != cluster {
		return nil, refusal{fmt.Errorf("membercluster %s in namespace %s of the hub is not Fairlead's: it has no label %s=%s, or is of another cluster; delete it", name, h.namespace, labelManaged, managed)}
	}
	return heldOf(o), nil
}

// isOwn reports whether an object is this program's.
func (o *object) isOwn() bool {
	return o.Metadata.Labels[labelManaged] == managed && o.Spec != nil && o.Metadata.Name == ObjectName(o.Spec.Cluster)
}

// heldOf returns what the hub has, as it has told.
func heldOf(o *object) *held {
	return &held{uid: o.Metadata.UID, version: o.Metadata.ResourceVersion, status: o.Status}
}

// create makes the object of a cluster, without a status.
func (h *hub) create(ctx context.Context, cluster string) (*held, error) {
	o := newObject(cluster)
	answer, err := h.write(ctx, apiclient.Call{
		Method: http.MethodPost, Path: h.path(""), Query: writing(), ContentType: apiclient.TypeJSON,
	}, &o)
	switch {
	case apistatus.Of(err).Code == http.StatusConflict:
		return nil, errChanged
	case err != nil:
		return nil, h.explain(err, "create", plural)
	}
	return heldOf(answer), nil
}

// apply replaces the status of an object, if it is the version that was read.
func (h *hub) apply(ctx context.Context, cluster string, was *held, s *Status) (*held, error) {
	o := object{
		APIVersion: group + "/" + version, Kind: kind,
		Metadata: objectMeta{Name: ObjectName(cluster), UID: was.uid, ResourceVersion: was.version}, Status: s,
	}
	query := writing()
	query.Set("force", "true")
	answer, err := h.write(ctx, apiclient.Call{
		Method: http.MethodPatch, Path: h.path(o.Metadata.Name) + "/status", Query: query, ContentType: apiclient.TypeApply,
	}, &o)
	if code := apistatus.Of(err).Code; code == http.StatusConflict || code == http.StatusNotFound {
		return nil, errChanged
	}
	if err != nil {
		return nil, h.explain(err, "patch", plural+"/status")
	}
	return heldOf(answer), nil
}

// remove deletes an object, if it is the one that was read. That it is gone is no error.
func (h *hub) remove(ctx context.Context, cluster string, was *held) error {
	body, err := json.Marshal(map[string]any{
		"apiVersion": "meta.k8s.io/v1", "kind": "DeleteOptions", "preconditions": map[string]any{"uid": was.uid},
	})
	if err != nil {
		return err
	}
	_, err = h.caller.Do(ctx, apiclient.Call{
		Method: http.MethodDelete, Path: h.path(ObjectName(cluster)), ContentType: apiclient.TypeJSON, Body: body,
	}, maxWritten)
	if code := apistatus.Of(err).Code; code == http.StatusNotFound || code == http.StatusConflict {
		return nil
	}
	return h.explain(err, "delete", plural)
}

func writing() url.Values { return url.Values{"fieldManager": {fieldManager}} }

func (h *hub) write(ctx context.Context, c apiclient.Call, o *object) (*object, error) {
	var err error
	if c.Body, err = json.Marshal(o); err != nil {
		return nil, err
	}
	text, err := h.caller.Do(ctx, c, maxWritten)
	if err != nil {
		return nil, err
	}
	answer := &object{}
	if err := json.Unmarshal(text, answer); err != nil || answer.Kind != kind {
		return nil, errors.New("the hub's answer to a write is no MemberCluster")
	}
	return answer, nil
}

// errChanged says that an object is another one than was read, or gone.
var errChanged = errors.New("somebody else has changed it")

// refusal is an error that is about one object, and not about the hub.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// explain says of an error of the hub what to do about it.
func (h *hub) explain(err error, verb, what string) error {
	answer := apistatus.Of(err)
	switch {
	case err == nil || answer.Meaning == apistatus.None:
		return err
	case answer.Code == http.StatusNotFound:
		return fmt.Errorf("the hub has no memberclusters.%s, or no namespace %s: %w; apply deploy/components/hub-memberclusters", group, h.namespace, err)
	case answer.Meaning == apistatus.Unauthorized:
		return fmt.Errorf("the hub does not accept the credentials: %w; renew them", err)
	case answer.Meaning == apistatus.Forbidden:
		return fmt.Errorf("the hub forbids to %s %s.%s in namespace %s: %w; grant it as deploy/components/hub-memberclusters/role.yaml does", verb, what, group, h.namespace, err)
	case answer.Meaning == apistatus.Rejected, apistatus.IsTooLarge(err):
		return refusal{fmt.Errorf("the hub refuses it: %w; is the CRD that of this version?", err)}
	}
	return err
}
