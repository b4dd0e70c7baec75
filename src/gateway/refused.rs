//! A request that is refused, in log and metrics.

use http::Response;

use super::Gateway;
use super::access_log::Line;
use super::admit::AdmitFault;
use super::refusal::Refusal;
use crate::base::causes::Causes;
use crate::base::meter::Count;
use crate::upstream::Body;

impl Gateway {
    /// Answers a request that is refused, and says so in log and metrics. `has_body`: the request has one, which is left unread.
    #[cold]
    pub(super) fn refuse(
        &self,
        refusal: &Refusal,
        has_body: bool,
        line: &mut Line,
    ) -> Response<Body> {
        self.meter.count(Count::Refusals);
        line.refusal = Some(refusal.word());
        let request_id = &*line.request_id;
        let error = Causes(refusal);
        match refusal {
            Refusal::Store(_) => {
                self.meter.count(Count::StoreFaults);
                tracing::error!(request_id, site = line.site.as_deref(), %error, "refused");
            }
            Refusal::Service(_) => {
                self.meter.count(Count::ServiceFaults);
                tracing::warn!(request_id, site = line.site.as_deref(), %error, "refused");
            }
            Refusal::Upstream(_) | Refusal::NoWebSocket => {
                self.meter.count(Count::UpstreamFaults);
                tracing::warn!(request_id, site = line.site.as_deref(), %error, "refused");
            }
            Refusal::Denied(denial) => {
                self.meter.count(denial.count());
                if denial.is_in_circles() {
                    let site = line.site.as_deref();
                    let why = "a visitor is sent in circles: the app takes them for logged in, and no login was seen";
                    tracing::warn!(request_id, site, "{why}");
                }
                tracing::debug!(request_id, %error, "refused");
            }
            Refusal::Provider(failed) => {
                self.meter.count(Count::OidcLoginsFailed);
                let reason = failed.why.word();
                tracing::warn!(request_id, site = line.site.as_deref(), client_ip = %line.client_ip, reason, %error, "a login at the OpenID provider failed");
            }
            Refusal::Resend(_) => self.meter.count(Count::FormsResent),
            Refusal::Admit(AdmitFault::Message(_)) => {
                self.meter.count(Count::MessagesMalformed);
                tracing::debug!(request_id, %error, "refused");
            }
            _ => tracing::debug!(request_id, %error, "refused"),
        }
        refusal.answer(request_id, line.version, has_body)
    }
}
