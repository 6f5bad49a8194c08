"""The addresses of all pages: nouns in the plural, a verb only as the last part of a POST."""

from django.urls import path

from policies.web.views import (
    clusters,
    flips,
    home,
    inventory,
    plans,
    readiness,
    reviews,
    session,
    trail,
    variants,
)

app_name = "policies"

urlpatterns = [
    path("", home.home, name="home"),
    path("healthz", session.healthz, name="healthz"),
    path("login/", session.login, name="login"),
    path("logout/", session.logout, name="logout"),
    path("theme/", session.theme, name="theme"),
    path("clusters/", clusters.index, name="clusters"),
    path("clusters/new/", clusters.new, name="cluster-new"),
    path("clusters/<int:cluster_id>/", clusters.detail, name="cluster"),
    path("clusters/<int:cluster_id>/test/", clusters.test, name="cluster-test"),
    path("clusters/<int:cluster_id>/collect/", clusters.collect, name="cluster-collect"),
    path("clusters/<int:cluster_id>/credential/", clusters.credential, name="cluster-credential"),
    path("readiness/", readiness.matrix, name="readiness"),
    path("readiness/<int:variant_id>/<str:namespace>/", readiness.cell, name="cell"),
    path("reviews/<int:variant_id>/<str:namespace>/", reviews.review, name="review"),
    path(
        "reviews/<int:variant_id>/<str:namespace>/rehearse/",
        reviews.rehearse,
        name="review-rehearse",
    ),
    path("variants/", variants.index, name="variants"),
    path("variants/new/", variants.new, name="variant-new"),
    path("variants/<int:variant_id>/", variants.detail, name="variant"),
    path("variants/<int:variant_id>/roll-back/", variants.roll_back, name="variant-roll-back"),
    path("plans/new/", plans.new, name="plan-new"),
    path("flips/", flips.index, name="flips"),
    path("flips/request/", plans.request_flip, name="flip-request"),
    path("flips/<uuid:flip_id>/", flips.detail, name="flip"),
    path("flips/<uuid:flip_id>/progress/", flips.progress, name="flip-progress"),
    path("flips/<uuid:flip_id>/approve/", flips.approve, name="flip-approve"),
    path("flips/<uuid:flip_id>/decline/", flips.decline, name="flip-decline"),
    path("flips/<uuid:flip_id>/withdraw/", flips.withdraw, name="flip-withdraw"),
    path("profiles/nodes/", inventory.nodes, name="profile-nodes"),
    path("profiles/nodes/pool/", inventory.pool_nodes, name="profile-nodes-pool"),
    path(
        "profiles/pools/<int:cluster_id>/declare/",
        inventory.declare_pool,
        name="profile-pool-declare",
    ),
    path(
        "profiles/pools/<int:pool_id>/withdraw/",
        inventory.withdraw_pool,
        name="profile-pool-withdraw",
    ),
    path(
        "profiles/pools/<int:pool_id>/profiles/declare/",
        inventory.declare_profile,
        name="profile-declare",
    ),
    path(
        "profiles/declared/<int:profile_id>/withdraw/",
        inventory.withdraw_profile,
        name="profile-withdraw",
    ),
    path("trail/", trail.index, name="trail"),
]
