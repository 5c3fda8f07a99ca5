//! The way of a request, stage by stage.

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{Request, Response};
use hyper::body::Incoming;

use crate::admission::Admission;
use crate::body::Body;
use crate::config::Config;
use crate::listener::ConnFacts;
use crate::refusal::Refusal;
use crate::rewrite;
use crate::route::Routes;
use crate::session::Sessions;
use crate::upstream::Outgoing;

/// What every request passes through.
#[derive(Debug)]
pub(super) struct Flow {
    admission: Admission,
    routes: ArcSwap<Routes>,
    sessions: Sessions,
}

impl Flow {
    pub(super) fn new(sessions: Sessions, config: &Config) -> Arc<Self> {
        Arc::new(Self {
            admission: Admission::new(),
            routes: ArcSwap::from_pointee(Routes::new(config)),
            sessions,
        })
    }

    /// Takes a changed configuration into use, from the next request on.
    pub(super) fn route(&self, config: &Config) {
        self.routes.store(Arc::new(Routes::new(config)));
    }

    /// Answers one request, by Zendesk or by a refusal.
    pub(super) async fn serve(
        &self,
        connection: &ConnFacts,
        request: Request<Incoming>,
    ) -> Response<Body> {
        match self.pass(connection, request).await {
            Ok(response) => response,
            Err(refusal) => {
                tracing::info!(code = refusal.code(), "refused");
                refusal.into_response()
            }
        }
    }

    async fn pass(
        &self,
        connection: &ConnFacts,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let (mut head, body) = request.into_parts();
        let admitted = self.admission.check(connection, &head)?;
        let plan = self.routes.load().resolve(connection, &admitted, &head)?;
        let session = self
            .sessions
            .get(&plan.account.name)
            .ok_or_else(|| Refusal::SignedOut(plan.account.name.to_string()))?;
        let context = rewrite::Context::of(&head, admitted.base, &plan.account);
        context.ask(&mut head);
        let request = Request::from_parts(head, Body::from(body));
        let origin = plan.account.api_origin.clone();
        let outgoing = Outgoing::new(request, origin, plan.credential);
        let response = session.forward(outgoing).await?;
        Ok(rewrite::response(response, &context))
    }
}
