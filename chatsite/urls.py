"""The URLs of the site: the chat, accounts, admin.

Sign-in, sign-out and changing a password are Django's own views, and passwords cannot be guessed for long
(`sign_in.py`). There is no sign-up: staff create accounts in admin.
"""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path
from django.views.generic import RedirectView

from chatsite import sign_in

admin.site.login_form = sign_in.AdminSignInForm

accounts = [
    path("login/", sign_in.SignInView.as_view(), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("password_change/", sign_in.PasswordChangeView.as_view(), name="password_change"),
    path("password_change/done/", auth.PasswordChangeDoneView.as_view(), name="password_change_done"),
]

urlpatterns = [
    path("accounts/", include(accounts)),
    path("admin/password_change/", RedirectView.as_view(pattern_name="password_change")),
    path("admin/", admin.site.urls),
    path("", include("agentchat.urls")),
]

handler500 = "chatsite.error_pages.failed"
