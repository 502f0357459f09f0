package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fairlead-dev/fairlead/internal/apiclient"
)

const (
	// page is how many records are listed at a time, and emptyPage how many of those that
	// hold no object.
	page, emptyPage = 50, 500
	// maxPage bounds the answer to a list, in bytes: etcd holds objects of 1.5 MiB, unless
	// it is told otherwise.
	maxPage = page * 2 << 20
	// longestSweep is the longest time between two sweeps.
	longestSweep = 10 * time.Minute
)

// list yields the records with labels, so many at a time. It ends with the first error.
func (s *Sink) list(ctx context.Context, labels string, limit int, yield func(*record) error) error {
	query := url.Values{"labelSelector": {labels}, "limit": {strconv.Itoa(limit)}}
	for {
		text, err := s.client.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: s.path(""), Query: query}, maxPage)
		if err != nil {
			return s.explain(err)
		}
		var found struct {
			Kind     string `json:"kind"`
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []record `json:"items"`
		}
		if err := json.Unmarshal(text, &found); err != nil || found.Kind != "RecordList" {
			return errors.New("the hub's answer to a list of records is no such list")
		}
		for i := range found.Items {
			if err := yield(&found.Items[i]); err != nil {
				return err
			}
		}
		if found.Metadata.Continue == "" {
			return nil
		}
		query.Set("continue", found.Metadata.Continue)
	}
}

// sweepOn sweeps now and then until ctx ends.
func (s *Sink) sweepOn(ctx context.Context) {
	defer close(s.swept)
	timer := time.NewTicker(min(s.o.DeletedFor/4, longestSweep))
	defer timer.Stop()
	well := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err := s.sweep(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && well:
			s.o.Log.Error(err, "Could not remove records of objects that are gone; it is tried again")
		case err == nil && !well:
			s.o.Log.Info("Records of objects that are gone are removed again")
		}
		well = err == nil
	}
}

// sweep removes the records of objects that have been gone for DeletedFor. One that has
// changed since it was listed stays.
func (s *Sink) sweep(ctx context.Context) error {
	over := s.now().Add(-s.o.DeletedFor)
	return s.list(ctx, labelDeleted, emptyPage, func(r *record) error {
		if r.Spec.Deleted.IsZero() || r.Spec.Deleted.After(over) || r.Metadata.Name != RecordName(r.Spec.key()) {
			return nil // not yet, or not one of ours
		}
		err := s.remove(ctx, &r.Metadata, nil)
		switch {
		case err == nil:
			s.metrics.removed.Inc()
		case isCode(err, http.StatusNotFound), isCode(err, http.StatusConflict): // somebody was faster
		default:
			return fmt.Errorf("remove record %.80q from namespace %s of the hub: %w", r.Metadata.Name, s.o.Namespace, s.explain(err))
		}
		return nil
	})
}

// remove removes a record if it is still the one that was read.
func (s *Sink) remove(ctx context.Context, m *recordMeta, query url.Values) error {
	body, err := json.Marshal(map[string]any{
		"apiVersion": "meta.k8s.io/v1", "kind": "DeleteOptions",
		"preconditions": map[string]string{"uid": string(m.UID), "resourceVersion": m.ResourceVersion},
	})
	if err != nil {
		return err
	}
	_, err = s.client.Do(ctx, apiclient.Call{Method: http.MethodDelete, Path: s.path(m.Name), Query: query, ContentType: apiclient.TypeJSON, Body: body}, maxWritten)
	return err
}
