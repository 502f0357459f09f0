package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/minio/minio-go/v7"

	"github.com/fairlead-dev/fairlead/sinks"
)

// Check tries whether segments can be written, without leaving an object. It sends one
// byte with the checksum of another, as PREFIX/v1/check: a store verifies who writes, whether
// he may, and that the bucket is there, before it finds that the checksum is wrong, and
// then keeps nothing. That is known of S3 and of versitygw. One that does not verify the
// checksum keeps the one byte. One that calls the request bad with a code that is not known
// here may mean the checksum: that is a [sinks.Caution], and the first write tells. With NoChecksum Check only asks whether the bucket is
// there, which takes the right s3:ListBucket; it is no error if that is missing.
func (s *Sink) Check(ctx context.Context) error {
	key := s.root() + "check"
	if s.o.NoChecksum {
		return s.checkBucket(ctx)
	}
	var answer minio.ErrorResponse
	err := s.request(ctx, func(ctx context.Context) error {
		err := s.store(ctx, key, []byte("x"), minio.PutObjectOptions{
			UserMetadata: map[string]string{checksumHeader: checksum([]byte("y"))}, DisableMultipart: true, DisableContentSha256: true,
		})
		answer, _ = errors.AsType[minio.ErrorResponse](err)
		return err
	})
	switch {
	case errors.Is(err, errChecksum):
		return nil
	case err != nil && s.isVague(answer):
		return sinks.Caution(fmt.Errorf("%w; the check sends a wrong checksum, and this may be the store's word for that: the first write tells", err))
	}
	return err
}

// isVague reports whether an answer says that the request is bad, and not why.
func (s *Sink) isVague(answer minio.ErrorResponse) bool {
	bad := answer.StatusCode == http.StatusBadRequest || answer.StatusCode == http.StatusUnprocessableEntity
	return bad && s.advice(answer) == ""
}

func (s *Sink) checkBucket(ctx context.Context) error {
	return s.request(ctx, func(ctx context.Context) error {
		there, err := s.client.BucketExists(ctx, s.o.Bucket)
		answer, answered := errors.AsType[minio.ErrorResponse](err)
		switch {
		case err == nil && !there:
			return minio.ErrorResponse{Code: "NoSuchBucket", StatusCode: http.StatusNotFound}
		case answered && answer.StatusCode == http.StatusForbidden && answer.Code == "AccessDenied":
			return nil // a HEAD says no more: it may be that only writing is allowed
		}
		return err
	})
}
