package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/endpoints"
	"github.com/fairlead-dev/fairlead/internal/redact"
)

// session sends requests to the gateway, as a user if one is given.
type session struct {
	client       *endpoints.Client
	user         string // empty: without authentication
	passwordFile string
	token        string // of the user; empty: none yet
	secrets      *redact.Redactor
	host         string // of the last answer
}

// errNoAnswer is that of what is JSON, and no answer of etcd's.
var errNoAnswer = errors.New("the answer is not one of etcd; is there something else at that address?")

// Close closes idle connections.
func (s *session) Close() error { return s.client.Close() }

// call posts a request and decodes the answer. It asks for another token once if the
// one that it has is no longer good: then etcd has done nothing.
func (s *session) call(ctx context.Context, path string, request, answer any, once bool) error {
	for fresh := false; ; fresh = true {
		if s.user != "" && s.token == "" {
			if err := s.authenticate(ctx); err != nil {
				return err
			}
			fresh = true
		}
		err := s.post(ctx, path, request, answer, once)
		if s.user == "" || fresh || !needsToken(err) {
			return err
		}
		s.token = ""
	}
}

// authenticate gets a token for the user, with the password that the file holds now.
func (s *session) authenticate(ctx context.Context) error {
	password, err := credentials.Read(s.passwordFile)
	if err != nil {
		return fmt.Errorf("authenticate as %q: password: %w", s.user, err)
	}
	s.secrets.Note(password)
	var answer struct {
		Token string `json:"token"`
	}
	if err := s.post(ctx, "/v3/auth/authenticate", struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}{s.user, password}, &answer, false); err != nil {
		return fmt.Errorf("authenticate as %q: %w", s.user, err)
	}
	if answer.Token == "" {
		return fmt.Errorf("authenticate as %q: %w", s.user, errNoAnswer)
	}
	s.token = answer.Token
	s.secrets.Note(answer.Token)
	return nil
}

// post sends one request, without looking after the token.
func (s *session) post(ctx context.Context, path string, request, answer any, once bool) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if s.token != "" {
		header.Set("Authorization", s.token)
	}
	a, err := s.client.Do(ctx, endpoints.Request{Method: http.MethodPost, Path: path, Header: header, Body: body, Once: once})
	if err != nil {
		return s.secrets.Error(err) // it quotes a header that cannot be read
	}
	if a.Status != http.StatusOK {
		return s.refusal(a)
	}
	s.host = a.Host
	if json.Unmarshal(a.Body, answer) != nil {
		return fmt.Errorf("%s: %w", a.Host, errNoAnswer)
	}
	return nil
}
