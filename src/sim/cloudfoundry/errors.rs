//! Errors in the Cloud Controller's terms.
//!
//! Decides code, title and status of every refusal, as CC's own error table has them. It never
//! decides when to refuse. Everything that serves a request answers with these.

use serde_json::json;

use super::Answer;

/// A refusal: `{"errors":[{code,title,detail}]}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CfError {
    pub status: u16,
    pub code: u32,
    pub title: &'static str,
    pub detail: String,
}

impl CfError {
    fn new(status: u16, code: u32, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, title, detail: detail.into() }
    }

    /// No token at all.
    pub fn not_authenticated() -> Self {
        Self::new(401, 10002, "CF-NotAuthenticated", "Authentication error")
    }

    /// A token that has expired or that nobody issued.
    pub fn invalid_token() -> Self {
        Self::new(401, 1000, "CF-InvalidAuthToken", "Invalid Auth Token")
    }

    /// Visible, but not for this role.
    pub fn not_authorized() -> Self {
        let detail = "You are not authorized to perform the requested action";
        Self::new(403, 10003, "CF-NotAuthorized", detail)
    }

    /// A path that CC does not route.
    pub fn unknown_route() -> Self {
        Self::new(404, 10000, "CF-NotFound", "Unknown request")
    }

    /// Not there, or not for these eyes: CC does not say which.
    pub fn not_found(what: &str) -> Self {
        Self::new(404, 10010, "CF-ResourceNotFound", format!("{what} not found"))
    }

    pub fn bad_query(detail: impl AsRef<str>) -> Self {
        let detail = format!("The query parameter is invalid: {}", detail.as_ref());
        Self::new(400, 10005, "CF-BadQueryParameter", detail)
    }

    pub fn unparsable() -> Self {
        let detail = "Request invalid due to parse error: invalid request body";
        Self::new(400, 1001, "CF-MessageParseError", detail)
    }

    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(422, 10008, "CF-UnprocessableEntity", detail)
    }

    pub fn no_instance_parameters() -> Self {
        let detail = "This service does not support fetching service instance parameters.";
        Self::new(400, 120_004, "CF-ServiceFetchInstanceParametersNotSupported", detail)
    }

    pub fn no_binding_parameters() -> Self {
        let detail = "This service does not support fetching service binding parameters.";
        Self::new(400, 90_007, "CF-ServiceFetchBindingParametersNotSupported", detail)
    }

    pub fn rate_limited() -> Self {
        Self::new(429, 10013, "CF-RateLimitExceeded", "Rate Limit Exceeded")
    }

    pub fn address_rate_limited() -> Self {
        let detail = "Rate Limit Exceeded: Unauthenticated requests from this IP address have exceeded the limit. \
                      Please log in.";
        Self::new(429, 10014, "CF-IPBasedRateLimitExceeded", detail)
    }

    /// What CC answers with this status when it is broken rather than asked wrongly.
    pub fn scripted(status: u16) -> Self {
        match status {
            401 => Self::invalid_token(),
            403 => Self::not_authorized(),
            404 => Self::not_found("Resource"),
            503 => Self::new(503, 10015, "CF-ServiceUnavailable", "CC is temporarily unavailable"),
            502 => Self::new(502, 20004, "CF-UaaUnavailable", "The UAA service is currently unavailable"),
            // Recorded so: without the prefix.
            _ => Self::new(status, 10001, "UnknownError", "An unknown error occurred."),
        }
    }

    pub fn answer(&self) -> Answer {
        Answer::json(self.status, &json!({"errors": [{"detail": self.detail, "title": self.title, "code": self.code}]}))
    }
}
