package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/fairlead-dev/fairlead/internal/apiclient"
	"github.com/fairlead-dev/fairlead/internal/apistatus"
)

const (
	crdPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/" + crdName
	// schemaAnnotation tells which CRD is newer.
	schemaAnnotation = "records.fairlead.dev/schema"
	// maxCRD bounds an answer with the CRD, in bytes.
	maxCRD = 4 << 20
	// crdPoll is how often it is asked whether records are served.
	crdPoll = 50 * time.Millisecond
)

var schemaLine = regexp.MustCompile(`records\.fairlead\.dev/schema: "(\d+)"`)

// ownSchema returns the number of the CRD that this program has.
func ownSchema() int {
	match := schemaLine.FindSubmatch(crd)
	n, _ := strconv.Atoi(string(match[1]))
	return n
}

// definition is what is read of a CRD.
type definition struct {
	Metadata struct {
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Status struct {
		Conditions []struct{ Type, Status string } `json:"conditions"`
	} `json:"status"`
}

func (d *definition) isEstablished() bool {
	for _, c := range d.Status.Conditions {
		if c.Type == "Established" {
			return c.Status == "True"
		}
	}
	return false
}

// install makes the CRD, or replaces an older one, and waits until records are served. It
// does so once, and again after they were found to be missing. Several processes may do so
// at once.
func (s *Sink) install(ctx context.Context) error {
	if !s.o.Install || s.o.Trial || s.installed.Load() {
		return nil
	}
	if err := s.establish(ctx); err != nil {
		err = s.explainInstall(err)
		return fmt.Errorf("install the CRD of records in the hub: %w", err)
	}
	s.installed.Store(true)
	return nil
}

// tryInstall tries whether install may make or replace the CRD, if it would, and reports whether
// there is none.
func (s *Sink) tryInstall(ctx context.Context) (missing bool, err error) {
	found, err := s.definition(ctx)
	missing = isCode(err, http.StatusNotFound)
	switch {
	case err != nil && !missing:
	case missing, schemaOf(found) < ownSchema():
		err = s.applyCRD(ctx, url.Values{"dryRun": {"All"}})
	}
	if err != nil {
		return missing, fmt.Errorf("install the CRD of records in the hub, as a dry run: %w", s.explainInstall(err))
	}
	return missing, nil
}

func (s *Sink) establish(ctx context.Context) error {
	ticker := time.NewTicker(crdPoll)
	defer ticker.Stop()
	ctx, cancel := context.WithTimeoutCause(ctx, s.o.Timeout, errors.New("the hub has not begun to serve records"))
	defer cancel()
	for {
		found, err := s.definition(ctx)
		switch {
		case err != nil && !isCode(err, http.StatusNotFound):
			return err
		case err != nil, schemaOf(found) < ownSchema():
			if err := s.applyCRD(ctx, url.Values{}); err != nil {
				return err
			}
		case found.isEstablished():
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// schemaOf returns the number of a CRD: 0 of one that has none.
func schemaOf(d *definition) int {
	n, err := strconv.Atoi(d.Metadata.Annotations[schemaAnnotation])
	if err != nil {
		return 0
	}
	return n
}

func (s *Sink) definition(ctx context.Context) (*definition, error) {
	text, err := s.client.Do(ctx, apiclient.Call{Method: http.MethodGet, Path: crdPath}, maxCRD)
	if err != nil {
		return nil, err
	}
	found := &definition{}
	if err := json.Unmarshal(text, found); err != nil {
		return nil, errors.New("the hub's answer is no CustomResourceDefinition")
	}
	return found, nil
}

// applyCRD applies the CRD, with more parameters of the request. That somebody else does at the
// same time is no error.
func (s *Sink) applyCRD(ctx context.Context, query url.Values) error {
	query.Set("fieldManager", fieldManager)
	query.Set("force", "true")
	_, err := s.client.Do(ctx, apiclient.Call{
		Method: http.MethodPatch, Path: crdPath, Query: query,
		ContentType: apiclient.TypeApply, Body: bytes.Clone(crd),
	}, maxCRD)
	if isCode(err, http.StatusConflict) {
		return nil
	}
	return err
}

func (s *Sink) explainInstall(err error) error {
	if apistatus.Of(err).Meaning == apistatus.Forbidden {
		return fmt.Errorf("%w; grant get and patch of %s in customresourcedefinitions.apiextensions.k8s.io, and create; or apply deploy/components/hub-records/crd.yaml and leave install out", err, crdName)
	}
	return err
}
