package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/fairlead-dev/fairlead/internal/reach"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// maxCode and maxSaid are how much of an answer is shown, in bytes.
const maxCode, maxSaid = 40, 160

var (
	// errTooLarge is wrapped by the error of a segment that is larger than the store takes.
	errTooLarge = errors.New("the segment is larger than the store takes")
	// errChecksum is wrapped by the error of what has not the checksum that its header says.
	errChecksum = errors.New("what arrived is not what was sent")
	// errNoStore is wrapped by the error of an answer of success that is from somebody else.
	errNoStore = errors.New("the answer is a success, but none of S3: it has no ETag; check host, port and tls")
)

// explain returns an error that says what has failed and what to do about it. All errors
// but one are tried again: what says that the configuration is wrong, or a key has
// expired, is no reason to give up changes. What would have failed with any key is an
// outage: it holds back the next batch as well. What else the store refuses may be of the
// prefix of one cluster. The codes are those of
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
func (s *Sink) explain(err error, after time.Duration) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("write to bucket %s: %w", s.o.Bucket, err)
	}
	answer, answered := errors.AsType[minio.ErrorResponse](err)
	what := fmt.Sprintf("write to bucket %s at %s", s.o.Bucket, s.o.Host)
	if !answered {
		err = fmt.Errorf("%s: %w", what, err)
		if advice := reach.Advice(err); advice != "" {
			err = fmt.Errorf("%w; %s", err, advice)
		}
		return pipeline.Outage(s.redactor.Error(err))
	}
	advice := s.advice(answer)
	if advice == "" && answer.StatusCode == http.StatusRequestEntityTooLarge {
		answer.Code = "EntityTooLarge"
	}
	// What the store says is cut, so that the advice is not, and before that without secrets:
	// a part of one could not be told.
	said := fmt.Errorf("%s: %s (%d): %s", what, redact.Line(s.redactor.Clean(answer.Code), maxCode), answer.StatusCode, redact.Line(s.redactor.Clean(answer.Error()), maxSaid))
	switch {
	case answer.Code == "EntityTooLarge":
		return s.redactor.Error(fmt.Errorf("%w: %w", errTooLarge, said))
	case slices.Contains(badChecksum, answer.Code):
		said = fmt.Errorf("%w: %w; if that lasts, something on the way changes it", errChecksum, said)
	case advice != "":
		said = fmt.Errorf("%w; %s", said, advice)
	}
	err = pipeline.RetryAfter(s.redactor.Error(said), after)
	if ofAny(answer) {
		return pipeline.Outage(err)
	}
	return err
}

// ofAny reports whether a request for any other key would have had that answer as well.
func ofAny(answer minio.ErrorResponse) bool {
	refused := 400 <= answer.StatusCode && answer.StatusCode < 500
	return !refused || answer.StatusCode == http.StatusRequestTimeout || answer.StatusCode == http.StatusTooManyRequests ||
		slices.Contains(slow, answer.Code) || slices.Contains(expired, answer.Code)
}

// badChecksum are the codes of an answer about a checksum that is not that of the body.
var badChecksum = []string{"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"}

var (
	// slow are the codes of a store that is asked for too much.
	slow = []string{"SlowDown", "SlowDownWrite", "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"}
	// expired are those of keys that were good.
	expired = []string{"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
)

// advice returns what an operator can do about an answer.
func (s *Sink) advice(answer minio.ErrorResponse) string {
	switch {
	case slices.Contains(expired, answer.Code):
		return "the keys have expired; have them renewed in the file that is read"
	case slices.Contains(slow, answer.Code):
		return "the store has too much to do; if that lasts, raise age and size, so that there are fewer requests"
	}
	switch answer.Code {
	case "NoSuchBucket":
		return "make the bucket, or mend its name: Fairlead makes none"
	case "SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidToken", "AuthFailure":
		return "the keys are wrong, or of another store; mend the file, the environment or the role that they come from"
	case "AccessDenied", "AllAccessDisabled", "AccountProblem", "InvalidSecurity", "MethodNotAllowed":
		return fmt.Sprintf("allow s3:PutObject on arn:aws:s3:::%s/%s*, and the use of the key if the bucket is encrypted", s.o.Bucket, s.root())
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect", "InvalidRegion", "IllegalLocationConstraintException", "Redirect", "301 Moved Permanently", "307 Temporary Redirect":
		if answer.Region != "" && answer.Region != s.o.Region {
			return fmt.Sprintf("the bucket is in another region: set region=%s, and the host of that region", answer.Region)
		}
		return "the bucket is in another region or at another host: set region, or mend the host"
	case "RequestTimeTooSkewed":
		return "the clocks of this machine and the store differ: mend the clock"
	case "NotImplemented", "XNotImplemented", "APINotSupported":
		return "the store does not know something of the request; try checksum=none, and path-style=true"
	case "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull", "InsufficientStorage":
		return "the store is full: make room, or raise the quota"
	}
	return ""
}
